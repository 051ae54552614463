/**
 * Counters in the text format of Prometheus, version 0.0.4.
 *
 * @module
 */
import type { Totals } from "@lowlatency/kcp";

/** One metric without labels. */
export interface Metric {
  /** Letters, digits and `_`. The name of a counter ends with `_total`. */
  readonly name: string;
  readonly type: "counter" | "gauge";
  /** What it counts. */
  readonly help: string;
  readonly value: number;
}

/** The member of `Totals.connections.inputErrors` that each kind of error is. */
const INPUT_ERRORS = ["short", "conv", "cmd", "length", "una", "ack", "piece"] as const;

/** A counter, as its name without `kcp_` and `_total`, its value, and what it counts. */
type Row = readonly [name: string, value: number, help: string];

function countersOf({ dialled, accepted, connections, sockets }: Totals): Row[] {
  const { fec, datagrams } = connections;
  return [
    ["sessions_dialled", dialled, "Sessions that this program opened"],
    ["sessions_accepted", accepted, "Sessions that peers opened"],
    ["sent_packets", connections.packetsOut, "Packets sent"],
    ["received_packets", connections.packetsIn, "Valid packets received"],
    ["sent_bytes", connections.bytesOut, "Bytes of the packets sent"],
    ["received_bytes", connections.bytesIn, "Bytes of the valid packets received"],
    ["sent_segments", connections.segmentsOut, "Segments sent"],
    ["received_segments", connections.segmentsIn, "Segments received"],
    ["sent_payload_bytes", connections.payloadOut, "Payload sent, retransmissions not counted"],
    ["received_payload_bytes", connections.payloadIn, "Payload received, duplicates not counted"],
    ["timeout_retransmits", connections.timeoutRetransmits, "Segments sent again after a timeout"],
    ["fast_retransmits", connections.fastRetransmits, "Segments sent again after acknowledgments"],
    [
      "early_retransmits",
      connections.earlyRetransmits,
      "Segments sent again after one acknowledgment",
    ],
    ["tail_probes", connections.tailProbes, "Segments sent again as a probe of the tail"],
    [
      "needless_retransmits",
      connections.needlessRetransmits,
      "Retransmissions that were not needed",
    ],
    ["copies", connections.copies, "Copies of retransmissions sent"],
    ["copy_bytes", connections.copyBytes, "Bytes of these copies"],
    ["copies_first", connections.copiesFirst, "Segments of which a copy arrived first"],
    ["ride_alongs", connections.rideAlongs, "Segments that rode along with new data"],
    ["ride_along_bytes", connections.rideAlongBytes, "Bytes of these segments"],
    [
      "ride_alongs_first",
      connections.rideAlongsFirst,
      "Segments that arrived first beside new data",
    ],
    ["acknowledged_segments", connections.acknowledged, "Segments acknowledged"],
    ["lost_segments", connections.lost, "Segments whose first transmission was lost"],
    [
      "path_mtu_reductions",
      connections.pathMtuReductions,
      "Times that large packets were found to vanish",
    ],
    ["duplicate_segments", connections.duplicates, "Segments that arrived more than once"],
    ["refused_segments", connections.refused, "Segments dropped since there was no room"],
    ["foreign_segments", connections.foreign, "Segments of a peer before it restarted"],
    ...INPUT_ERRORS.map((kind): Row => [
      `input_errors_${kind}`,
      connections.inputErrors[kind],
      `Packets dropped for the error: ${kind}`,
    ]),
    ["fec_sent_data_shards", fec.dataOut, "Data shards sent"],
    ["fec_sent_parity_shards", fec.parityOut, "Parity shards sent"],
    ["fec_received_data_shards", fec.dataIn, "Data shards received"],
    ["fec_received_parity_shards", fec.parityIn, "Parity shards received"],
    ["fec_recovered_packets", fec.recovered, "Packets restored from parity"],
    ["fec_recovered_in_time_packets", fec.recoveredInTime, "Packets restored before another copy"],
    ["fec_failures", fec.failures, "Packets restored with a wrong content"],
    ["fec_incomplete_groups", fec.incomplete, "Groups that stayed incomplete"],
    ["fec_sent_parity_bytes", fec.parityBytesOut, "Bytes of the parity shards sent"],
    ["fec_sent_fillers", fec.fillersOut, "Filler shards sent"],
    ["fec_sent_filler_bytes", fec.fillerBytesOut, "Bytes of the filler shards sent"],
    ["datagrams_sent", datagrams.sent, "Datagrams sent"],
    ["datagrams_received", datagrams.received, "Datagrams received"],
    ["datagrams_send_dropped", datagrams.droppedOut, "Datagrams for which the queue had no room"],
    ["datagrams_receive_dropped", datagrams.droppedIn, "Datagrams that were not read in time"],
    ["socket_received_packets", sockets.packetsIn, "Packets that the sockets received"],
    ["socket_forged_packets", sockets.forged, "Packets with a wrong checksum or tag"],
    ["socket_replayed_packets", sockets.replayed, "Packets that arrived again"],
    ["socket_invalid_packets", sockets.invalid, "Packets that no session could read"],
    ["socket_unknown_packets", sockets.unknown, "Packets of no known session"],
    ["socket_late_packets", sockets.afterEnd, "Packets of sessions that have ended"],
    ["socket_refused_packets", sockets.refused, "Packets of peers that were refused"],
    ["socket_asked", sockets.asked, "Peers that were asked to prove their address"],
    ["socket_accepted_sessions", sockets.accepted, "Sessions that the sockets accepted"],
    ["socket_migrated_sessions", sockets.migrated, "Sessions that moved to another address"],
  ];
}

function gaugesOf({ open, present }: Totals): Row[] {
  return [
    ["sessions_open", open, "Sessions that are open"],
    ["send_queue_segments", present.sndQueue, "Segments that wait to be sent"],
    ["in_flight_segments", present.inFlight, "Segments that wait for an acknowledgment"],
    ["receive_queue_segments", present.rcvQueue, "Segments that wait to be read"],
    ["receive_buffer_segments", present.rcvBuffer, "Segments that wait for an earlier one"],
    ["held_bytes", present.bytesHeld, "Bytes that sessions hold"],
  ];
}

/** The metrics of the library. */
export function kcpMetrics(totals: Totals): Metric[] {
  return [
    ...countersOf(totals).map(([name, value, help]): Metric => ({
      name: `kcp_${name}_total`,
      type: "counter",
      help,
      value,
    })),
    ...gaugesOf(totals).map(([name, value, help]): Metric => ({
      name: `kcp_${name}`,
      type: "gauge",
      help,
      value,
    })),
  ];
}

/** Media type of the text. */
export const METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8";

/** The text that Prometheus reads. */
export function metricsText(metrics: readonly Metric[]): string {
  return metrics.map(({ name, type, help, value }) =>
    `# HELP ${name} ${help.replaceAll("\\", "\\\\").replaceAll("\n", "\\n")}\n` +
    `# TYPE ${name} ${type}\n${name} ${value}\n`
  ).join("");
}

/** Answers a request for the metrics: at `/metrics`, to GET and HEAD. */
export function answerMetrics(request: Request, collect: () => readonly Metric[]): Response {
  const { pathname } = new URL(request.url);
  if (pathname !== "/metrics") return new Response("See /metrics\n", { status: 404 });
  if (request.method !== "GET" && request.method !== "HEAD") {
    return new Response("Allowed are GET and HEAD\n", {
      status: 405,
      headers: { allow: "GET, HEAD" },
    });
  }
  const body = request.method === "HEAD" ? null : metricsText(collect());
  return new Response(body, { headers: { "content-type": METRICS_TYPE } });
}

import type { Metric } from "../counters/metrics.ts";

/** What a tunnel has carried. */
export class Traffic {
  /** Connections that were carried, those that are open among them. */
  opened = 0;
  /** Connections that are open. */
  open = 0;
  /** Connections that ended with an error, or that got no further than this program. */
  failed = 0;
  /** Bytes from the applications of the client to the target. */
  upstream = 0;
  /** Bytes from the target to the applications of the client. */
  downstream = 0;

  /** The same as metrics. */
  metrics(): Metric[] {
    return [
      {
        name: "tunnel_connections_total",
        type: "counter",
        help: "Connections that were carried",
        value: this.opened,
      },
      {
        name: "tunnel_failed_connections_total",
        type: "counter",
        help: "Connections that ended with an error",
        value: this.failed,
      },
      {
        name: "tunnel_upstream_bytes_total",
        type: "counter",
        help: "Bytes to the target",
        value: this.upstream,
      },
      {
        name: "tunnel_downstream_bytes_total",
        type: "counter",
        help: "Bytes from the target",
        value: this.downstream,
      },
      {
        name: "tunnel_connections",
        type: "gauge",
        help: "Connections that are open",
        value: this.open,
      },
    ];
  }
}

/**
 * A worker that forbids one system call to its own thread. Then it sends packets between two
 * sockets of the Linux transport.
 *
 * @module
 */
/// <reference lib="deno.worker" />
import { Arena, PacketBatch } from "../../../kcp/mod.ts";
import { LinuxSocket } from "../../../transport/linux.ts";

const PR_SET_NO_NEW_PRIVS = 38;
const PR_SET_SECCOMP = 22;
const SECCOMP_MODE_FILTER = 2;
const SECCOMP_RET_ALLOW = 0x7fff0000;
const SECCOMP_RET_ERRNO_EPERM = 0x00050001;

/** Forbids a system call to this thread. Source: seccomp(2), and the BPF of linux/filter.h. */
function refuse(call: number): boolean {
  const library = Deno.dlopen("libc.so.6", {
    prctl: { parameters: ["i32", "usize", "usize", "usize", "usize"], result: "i32" },
  });
  const { symbols } = library;
  const program = new DataView(new ArrayBuffer(32));
  const put = (i: number, code: number, yes: number, no: number, k: number) => {
    program.setUint16(8 * i, code, true);
    program.setUint8(8 * i + 2, yes);
    program.setUint8(8 * i + 3, no);
    program.setUint32(8 * i + 4, k, true);
  };
  put(0, 0x20, 0, 0, 0); // load the number of the call
  put(1, 0x15, 0, 1, call); // is it this one?
  put(2, 0x06, 0, 0, SECCOMP_RET_ERRNO_EPERM);
  put(3, 0x06, 0, 0, SECCOMP_RET_ALLOW);
  const header = new BigUint64Array(2);
  header[0] = 4n;
  const address = (memory: ArrayBufferView<ArrayBuffer>) =>
    Deno.UnsafePointer.value(Deno.UnsafePointer.of(memory));
  header[1] = BigInt(address(program));
  const filtered = symbols.prctl(PR_SET_NO_NEW_PRIVS, 1n, 0n, 0n, 0n) === 0 &&
    symbols.prctl(PR_SET_SECCOMP, BigInt(SECCOMP_MODE_FILTER), BigInt(address(header)), 0n, 0n) ===
      0;
  library.close();
  return filtered;
}

const SETTINGS = {
  receiveBuffer: 1 << 20,
  sendBuffer: 1 << 20,
  reusePort: false,
  segmentation: true,
  batching: true,
  dscp: 0,
  busyPoll: 0.2,
};

self.onmessage = async ({ data }: MessageEvent<number>) => {
  const filtered = refuse(data);
  const sender = new LinuxSocket("127.0.0.1", 0, SETTINGS);
  const receiver = new LinuxSocket("127.0.0.1", 0, SETTINGS);
  let arrived = 0;
  const all = new Promise<void>((resolve, reject) => {
    receiver.open({
      arena: new Arena(),
      packet: () => {},
      settled: () => {},
      packets: (start, end, size) => {
        arrived += Math.ceil((end - start) / size);
        if (arrived >= 40) resolve();
      },
      failed: reject,
    });
  });
  const batch = new PacketBatch();
  for (let i = 0; i < 40; i++) {
    batch.destination = receiver.address;
    // Packets of different sizes are not joined into one message.
    const at = batch.reserve(100 + i);
    batch.commit(at + 100 + i);
  }
  await sender.send(batch);
  await all;
  const batching = sender.batching || receiver.batching;
  await Promise.all([sender.close(), receiver.close()]);
  self.postMessage({ filtered, batching, arrived });
};

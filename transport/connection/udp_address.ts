import { parseAddress } from "../session/address.ts";

/** The UDP address of a connection or listener, in the form of Deno's `Deno.NetAddr`. */
export interface UdpAddress {
  /** Always `udp`. */
  readonly transport: "udp";
  /** An IP address. */
  readonly hostname: string;
  /** The port, 1 to 65535. */
  readonly port: number;
}

/** Converts an address such as `10.0.0.1:80` into a {@linkcode UdpAddress}. */
export function udpAddress(address: string): UdpAddress {
  return { transport: "udp", ...parseAddress(address) };
}

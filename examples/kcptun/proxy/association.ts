import type { PipeEnd } from "../tunnel/pipe.ts";
import type { Access } from "./access.ts";
import type { DatagramHub } from "./datagrams.ts";
import { parseIP } from "./ip.ts";
import { readRelayed, relayed } from "./socks5.ts";
import type { OpenUdp, UdpPort } from "./udp.ts";

/** What an association of the server needs. */
export interface AssociationOptions {
  readonly access: Access;
  readonly openUdp: OpenUdp;
  /** The IP addresses of a name. */
  lookUp(name: string): Promise<string[]>;
}

/** Most destinations that may answer; the one that was not used for longest gives way. */
const MAX_DESTINATIONS = 256;
/** Most names that are remembered, and most that are looked up at one time. */
const MAX_NAMES = 64;
const MAX_LOOKUPS = 16;

/**
 * The server's side of UDP ASSOCIATE (RFC 1928 §7): datagrams of a client leave from sockets of the
 * server, and the answers go back. Only destinations that the client has sent to may answer.
 *
 * It is the end of the pipe that the stream of the association has at the server: it ends with the
 * stream.
 */
export class Association implements PipeEnd {
  readonly #id: number;
  readonly #hub: DatagramHub;
  readonly #options: AssociationOptions;
  /** The sockets, by family. */
  readonly #ports = new Map<4 | 6, Promise<UdpPort>>();
  /** Who may answer, as address and port. */
  readonly #destinations = new Set<string>();
  readonly #names = new Map<string, string>();
  #lookups = 0;
  #ended = false;
  #end: () => void = () => {};

  /**
   * @param id The id of the stream.
   * @param hub The datagrams of the session.
   */
  constructor(id: number, hub: DatagramHub, options: AssociationOptions) {
    this.#id = id;
    this.#hub = hub;
    this.#options = options;
    hub.add(id, (datagram) => this.#take(datagram));
  }

  /** Passes a datagram of the client on. What can't be read or reached is dropped. */
  #take(datagram: Uint8Array): void {
    const found = readRelayed(datagram);
    if (!found) return;
    const { hostname, port, payload } = found;
    const address = parseIP(hostname) ? hostname : this.#names.get(hostname);
    if (address) this.#send(address, port, payload);
    else this.#lookUp(hostname, port, payload);
  }

  async #lookUp(name: string, port: number, payload: Uint8Array): Promise<void> {
    if (this.#lookups >= MAX_LOOKUPS) return;
    this.#lookups++;
    const addresses = await this.#options.lookUp(name).catch(() => []);
    this.#lookups--;
    const address = addresses.find((address) => this.#options.access.permits(address, port));
    if (!address) return;
    if (this.#names.size >= MAX_NAMES) this.#names.clear();
    this.#names.set(name, address);
    this.#send(address, port, payload);
  }

  async #send(address: string, port: number, payload: Uint8Array): Promise<void> {
    // A name may have been remembered for another port.
    if (this.#ended || !this.#options.access.permits(address, port)) return;
    const key = `${address} ${port}`;
    const destinations = this.#destinations;
    destinations.delete(key);
    if (destinations.size >= MAX_DESTINATIONS) {
      for (const oldest of destinations) {
        destinations.delete(oldest);
        break;
      }
    }
    destinations.add(key);
    try {
      const socket = await this.#port(address.includes(":") ? 6 : 4);
      if (this.#ended) socket.close();
      else socket.send(payload, address, port);
    } catch {
      // This machine has no such addresses.
    }
  }

  /** The socket of a family. */
  #port(family: 4 | 6): Promise<UdpPort> {
    let opening = this.#ports.get(family);
    if (!opening) {
      opening = this.#options.openUdp(family === 6 ? "::" : "0.0.0.0", (data, hostname, port) => {
        if (!this.#destinations.has(`${hostname} ${port}`)) return;
        this.#hub.send(this.#id, relayed({ hostname, port, payload: data }));
      });
      this.#ports.set(family, opening);
    }
    return opening;
  }

  /** Gives no bytes, and the end when the association ends. */
  read(): Promise<null> {
    if (this.#ended) return Promise.resolve(null);
    return new Promise((resolve) => this.#end = () => resolve(null));
  }

  /** The stream of an association has no data. */
  write(p: Uint8Array): Promise<number> {
    return Promise.resolve(p.length);
  }

  closeWrite(): Promise<void> {
    this.close();
    return Promise.resolve();
  }

  close(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#hub.delete(this.#id);
    for (const opening of this.#ports.values()) opening.then((port) => port.close(), () => {});
    this.#end();
  }

  abort(): void {
    this.close();
  }
}

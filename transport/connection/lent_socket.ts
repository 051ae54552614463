/** Options of a socket that wraps one of Deno or of Node.js. */
export interface LentSocketOptions {
  /**
   * Whether the socket belongs to the application: the library does not close it. Default: false.
   */
  lent?: boolean;
}

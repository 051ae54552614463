/**
 * Certificates that browsers take for WebTransport without an authority: an ECDSA key, valid for less
 * than 14 days. OpenSSL makes them.
 *
 * @module
 */

/** A certificate for 127.0.0.1, and its key. */
export interface Certificate {
  /** The certificate, as PEM. */
  readonly cert: string;
  /** The private key, as PEM. */
  readonly key: string;
  /** SHA-256 of the certificate, for `serverCertificateHashes`. */
  readonly hash: Uint8Array<ArrayBuffer>;
}

/** Makes a certificate; null on a system without OpenSSL. */
export async function makeCertificate(): Promise<Certificate | null> {
  const args = ["req", "-x509", "-nodes", "-days", "10", "-keyout", "-", "-subj", "/CN=localhost"];
  args.push("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1");
  args.push("-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1");
  let output: Deno.CommandOutput;
  try {
    output = await new Deno.Command("openssl", { args }).output();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
  const text = new TextDecoder().decode(output.stdout);
  const key = /-----BEGIN PRIVATE KEY-----[^]*?-----END PRIVATE KEY-----\n/.exec(text)?.[0];
  const cert = /-----BEGIN CERTIFICATE-----[^]*?-----END CERTIFICATE-----\n/.exec(text)?.[0];
  if (!key || !cert) {
    throw new Error(`OpenSSL made no certificate: ${new TextDecoder().decode(output.stderr)}`);
  }
  const base64 = cert.replace(/-----.*-----|\s/g, "");
  const der = Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));
  return { cert, key, hash: new Uint8Array(await crypto.subtle.digest("SHA-256", der)) };
}

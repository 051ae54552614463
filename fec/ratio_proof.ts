/** Groups that are remembered. */
const HISTORY = 16;

/**
 * Proves a ratio by the content of groups, not by their types and numbers, which anybody can forge.
 *
 * A group is verified if one of its parity shards is what its data shards give. Whoever forges
 * parity does not know the data. Under a wrong ratio, a group is verified only where it begins
 * together with a real group that has as many data shards. Let the real groups have t shards and the
 * assumed ones s. Then t divides s times the distance of any two such groups. If the distances have
 * no common divisor, then t divides s, and in fact is s: otherwise data would be where the ratio has
 * parity.
 */
export class RatioProof {
  /** Numbers of the last groups that were verified, in the order of their verification. */
  readonly #verified: number[] = [];

  /**
   * Notes that a group was verified.
   *
   * @returns The number of the last group up to which the ratio is proven; -1 for none. The peer may
   * have changed the ratio after it.
   */
  verify(number: number): number {
    const verified = this.#verified;
    let divisor = 0;
    let proven = -1;
    for (let i = verified.length - 1; i >= 0 && proven < 0; i--) {
      divisor = commonDivisor(divisor, Math.abs(number - verified[i]));
      if (divisor === 1) proven = verified[i];
    }
    verified.push(number);
    if (verified.length > HISTORY) verified.shift();
    return proven;
  }

  /** Forgets all groups. */
  clear(): void {
    this.#verified.length = 0;
  }
}

function commonDivisor(a: number, b: number): number {
  while (b > 0) [a, b] = [b, a % b];
  return a;
}

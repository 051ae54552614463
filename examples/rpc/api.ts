/**
 * The service of this example: what the server has and the client calls. Both import it, so that a
 * wrong call is an error of the compiler.
 *
 * @module
 */

/** A word, and how often it was counted. */
export interface WordCount {
  readonly word: string;
  readonly count: number;
}

/** The methods. */
export interface Words {
  /** Turns the letters of a text round. */
  reverse(text: string): string;
  /** Counts down to 1, a number each `pause` ms. */
  countdown(from: number, pause: number): AsyncIterable<number>;
  /** Takes lines, and gives the most frequent words. */
  frequent(lines: AsyncIterable<string>, most: number): WordCount[];
  /** Takes lines, and gives each one back in capital letters as soon as it has come. */
  shout(lines: AsyncIterable<string>): AsyncIterable<string>;
}

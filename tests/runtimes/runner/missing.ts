/** Why a runtime is not there. */
export class Missing extends Error {
  override readonly name = "Missing";
}

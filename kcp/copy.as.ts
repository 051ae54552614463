// Copying inside a memory, in AssemblyScript.

/** Copies `length` bytes from address `from` to address `to`. The two may overlap. */
export function copy(to: usize, from: usize, length: usize): void {
  memory.copy(to, from, length);
}

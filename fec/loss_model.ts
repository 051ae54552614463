/**
 * How packets of a path are lost: independently, or in bursts.
 *
 * It is the model of Gilbert, "Capacity of a Burst-Noise Channel" (1960), with a path that loses
 * every packet in its bad state.
 */
export interface LossModel {
  /** The share of packets that are lost, 0 to 1. */
  readonly loss: number;
  /**
   * The share of packets after a lost one that are lost, too, 0 to 1. It is `loss` if losses are
   * independent, and more if they come in bursts. A burst has 1 / (1 - `repeat`) packets on
   * average.
   */
  readonly repeat: number;
}

/**
 * Computes which share of the data shards is lost and not repaired, for each number of parity
 * shards.
 *
 * A group repairs all of its losses if they are not more than its parity shards, and none
 * otherwise.
 *
 * @param model The losses.
 * @param dataShards Data shards of a group. Its parity follows them at once.
 * @param most The largest number of parity shards to look at.
 * @returns The share for 0 to `most` parity shards.
 */
export function unrepaired(
  { loss, repeat }: LossModel,
  dataShards: number,
  most: number,
): Float64Array<ArrayBuffer> {
  const shares = new Float64Array(most + 1);
  if (loss <= 0) return shares;
  if (loss >= 1) return shares.fill(1);
  // The probability of a loss after a packet that arrived.
  const begin = Math.min(1, loss * (1 - repeat) / (1 - loss));
  const total = dataShards + most;
  // For each number of lost shards so far: the probability that the last packet was lost or
  // arrived, and the expected number of lost data shards in these cases.
  let wasLost = new Float64Array(total + 1);
  let arrived = new Float64Array(total + 1);
  let dataLost = new Float64Array(total + 1);
  let dataArrived = new Float64Array(total + 1);
  wasLost[0] = loss;
  arrived[0] = 1 - loss;
  for (let shard = 0;; shard++) {
    if (shard >= dataShards) {
      const parity = shard - dataShards;
      let late = 0;
      for (let lost = parity + 1; lost <= shard; lost++) late += dataLost[lost] + dataArrived[lost];
      shares[parity] = late / dataShards;
      if (parity === most) return shares;
    }
    const nextLost = new Float64Array(total + 1);
    const nextArrived = new Float64Array(total + 1);
    const nextDataLost = new Float64Array(total + 1);
    const nextDataArrived = new Float64Array(total + 1);
    for (let lost = 0; lost <= shard; lost++) {
      const probability = wasLost[lost] * repeat + arrived[lost] * begin;
      nextLost[lost + 1] = probability;
      nextArrived[lost] = wasLost[lost] + arrived[lost] - probability;
      const data = dataLost[lost] * repeat + dataArrived[lost] * begin;
      nextDataLost[lost + 1] = data + (shard < dataShards ? probability : 0);
      nextDataArrived[lost] = dataLost[lost] + dataArrived[lost] - data;
    }
    [wasLost, arrived] = [nextLost, nextArrived];
    [dataLost, dataArrived] = [nextDataLost, nextDataArrived];
  }
}

//! Which CPU handles which interrupt of a device.

/// Iterates over the CPUs that may handle interrupt `index` of a device: those of the nearest node that has any, from the
/// `index`-th one on, wrapping around. Each CPU comes once.
///
/// `cpus` are CPUs with the distance of their node from the device. CPUs of two nodes never have the same distance; the caller
/// adds what tells nodes apart.
pub fn by_nearness<C, D: Ord + Copy>(
    cpus: impl Iterator<Item = (C, D)> + Clone,
    index: usize,
) -> impl Iterator<Item = C> {
    let nearest = cpus.clone().map(|(_, distance)| distance).min();
    let of_node = cpus.filter(move |(_, distance)| Some(*distance) == nearest).map(|(cpu, _)| cpu);
    let count = of_node.clone().count();
    let first = index.checked_rem(count).unwrap_or(0);
    of_node.clone().skip(first).chain(of_node.take(first))
}

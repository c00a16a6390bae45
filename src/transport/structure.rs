//! Which coordinates a map's conditionals depend on, and how.

use super::InvalidMap;
use super::features::BENDS;

/// Hubs at most: drivers that modulate how the coordinates after them depend on each other.
/// Each takes three D × D matrices.
const MOST_HUBS: usize = 2;

/// In more dimensions than this, hubs modulate the dependence on so many first positions only: means that others share
/// come first (the search orders them so), and with more a fit of a hierarchy of 90 parameters takes twice as long.
const WHOLLY_MODULATED: usize = 40;
const MODULATED: usize = 16;

/// The order of a map's coordinates and the parents of each.
///
/// *Positions* count along the order. The first positions are the *drivers*: few coordinates, scale
/// parameters as a rule, on which the place and the scale of all later ones depend nonlinearly.
/// The first two drivers are *hubs*: they also modulate the linear dependence of later coordinates on
/// each other. Beside the drivers a coordinate may have *parents* of its own among those before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Structure {
    order: Vec<usize>,
    drivers: usize,
    /// The parents of position j are `parents[starts[j]..starts[j + 1]]`, ascending, drivers first.
    starts: Vec<usize>,
    parents: Vec<usize>,
    /// The number of each position among those that are parents or hubs.
    slots: Vec<Option<usize>>,
}

impl Structure {
    /// No drivers and no parents: a Gaussian with tails, in the natural order.
    pub fn linear(dim: usize) -> Self {
        Self::with_drivers(dim, &[])
    }

    /// `drivers`, different coordinates below `dim`, first; then the others in their natural order.
    pub fn with_drivers(dim: usize, drivers: &[usize]) -> Self {
        let others = (0..dim).filter(|coordinate| !drivers.contains(coordinate));
        Self::ordered(drivers, &others.collect::<Vec<usize>>()).expect("drivers are different coordinates below D")
    }

    /// `drivers` first and then `others`, which together name each coordinate once, without further parents.
    pub fn ordered(drivers: &[usize], others: &[usize]) -> Result<Self, InvalidMap> {
        let order = [drivers, others].concat();
        let none = vec![Vec::new(); order.len()];
        Self::new(order, drivers.len(), &none)
    }

    /// `order`, a permutation of 0…D−1 whose first `drivers` coordinates are drivers. `pairs` has, for
    /// each position, the positions of the parents that it has beside the drivers.
    pub fn new(order: Vec<usize>, drivers: usize, pairs: &[Vec<usize>]) -> Result<Self, InvalidMap> {
        let dim = order.len();
        let mut seen = vec![false; dim];
        for &coordinate in &order {
            if coordinate >= dim || std::mem::replace(&mut seen[coordinate], true) {
                return Err(InvalidMap::Order);
            }
        }
        if drivers > dim {
            return Err(InvalidMap::Drivers { drivers, dim });
        }
        if pairs.len() != dim {
            return Err(InvalidMap::Length { what: "parents", found: pairs.len(), expected: dim });
        }
        let (mut starts, mut parents, mut slots) = (vec![0], Vec::new(), vec![None; dim]);
        for (position, own) in pairs.iter().enumerate() {
            let valid = own.iter().all(|parent| (drivers..position).contains(parent));
            if !(valid && own.is_sorted_by(|a, b| a < b)) {
                return Err(InvalidMap::Parents { position });
            }
            parents.extend((0..drivers.min(position)).chain(own.iter().copied()));
            starts.push(parents.len());
        }
        for position in (0..drivers.min(MOST_HUBS)).chain(parents.iter().copied()) {
            slots[position] = Some(0);
        }
        for (number, slot) in slots.iter_mut().flatten().enumerate() {
            *slot = number;
        }
        Ok(Self { order, drivers, starts, parents, slots })
    }

    /// The dimension D.
    pub fn dim(&self) -> usize {
        self.order.len()
    }

    /// The coordinate at each position.
    pub fn order(&self) -> &[usize] {
        &self.order
    }

    /// The drivers, coordinates in the order in which they come.
    pub fn drivers(&self) -> &[usize] {
        &self.order[..self.drivers]
    }

    /// The positions of the parents of a position, drivers first.
    pub fn parents(&self, position: usize) -> &[usize] {
        &self.parents[self.starts[position]..self.starts[position + 1]]
    }

    /// The positions of the parents that a position has beside the drivers.
    pub fn pairs(&self, position: usize) -> &[usize] {
        &self.parents(position)[self.drivers.min(position)..]
    }

    /// Each parent of a position with the number of the pair.
    pub(super) fn numbered_parents(&self, position: usize) -> impl Iterator<Item = (usize, usize)> {
        (self.starts[position]..).zip(self.parents(position).iter().copied())
    }

    /// Pairs of a position and a parent of it, the drivers among the parents.
    pub(super) fn pair_count(&self) -> usize {
        self.parents.len()
    }

    /// The number of hubs, whose positions are the first.
    pub(super) fn hubs(&self) -> usize {
        self.drivers.min(MOST_HUBS)
    }

    /// The number of hubs before a position.
    pub(super) fn hubs_before(&self, position: usize) -> usize {
        self.hubs().min(position)
    }

    /// How many first positions are those on which hubs modulate how others depend.
    pub(super) fn modulated(&self) -> usize {
        if self.dim() > WHOLLY_MODULATED { MODULATED } else { self.dim() }
    }

    /// Linear coefficients for each pair of positions: one that is constant, and one for each
    /// modulation by a hub.
    pub(super) fn terms(&self) -> usize {
        1 + BENDS * self.hubs()
    }

    /// How many positions have features: parents and hubs.
    pub(super) fn slot_count(&self) -> usize {
        self.slots.iter().flatten().count()
    }

    /// The number of a position among those with features.
    pub(super) fn slot(&self, position: usize) -> Option<usize> {
        self.slots[position]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drivers_come_first_and_are_parents_of_all_later_ones() {
        let structure = Structure::new(vec![3, 1, 0, 2], 2, &[vec![], vec![], vec![], vec![2]]).unwrap();
        assert_eq!(structure.drivers(), [3, 1]);
        assert_eq!(
            (0..4).map(|j| structure.parents(j).to_vec()).collect::<Vec<_>>(),
            [vec![], vec![0], vec![0, 1], vec![0, 1, 2]]
        );
        assert_eq!((structure.pairs(1), structure.pairs(3)), (&[][..], &[2][..]));
        assert_eq!((structure.hubs(), structure.terms(), structure.pair_count()), (2, 7, 6));
        assert_eq!((0..4).map(|j| structure.slot(j)).collect::<Vec<_>>(), [Some(0), Some(1), Some(2), None]);
        assert_eq!(Structure::with_drivers(4, &[2]).order(), [2, 0, 1, 3]);
    }

    #[test]
    fn what_is_no_structure_is_refused() {
        let none = |dim| vec![Vec::new(); dim];
        assert_eq!(Structure::new(vec![0, 0], 0, &none(2)), Err(InvalidMap::Order));
        assert_eq!(Structure::new(vec![0, 2], 0, &none(2)), Err(InvalidMap::Order));
        assert!(matches!(Structure::new(vec![0, 1], 3, &none(2)), Err(InvalidMap::Drivers { .. })));
        assert!(matches!(Structure::new(vec![0, 1], 0, &none(3)), Err(InvalidMap::Length { .. })));
        for own in [vec![1], vec![2], vec![0, 0]] {
            let pairs = [vec![], own, vec![]];
            assert_eq!(Structure::new(vec![0, 1, 2], 0, &pairs), Err(InvalidMap::Parents { position: 1 }));
        }
    }
}

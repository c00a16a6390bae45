//! A map in a file: its parts, checked when they are read.

use super::coefficients::Coefficients;
use super::{InvalidMap, Structure, TriangularMap};
use crate::linalg::array_serde;
use ndarray::Array1;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What a file holds of a map.
#[derive(Serialize, Deserialize)]
struct SavedMap {
    /// The coordinate at each position.
    order: Vec<usize>,
    /// How many of the first positions are drivers.
    drivers: usize,
    /// The positions of the parents that each position has beside the drivers.
    pairs: Vec<Vec<usize>>,
    #[serde(with = "array_serde")]
    location: Array1<f64>,
    #[serde(with = "array_serde")]
    scale: Array1<f64>,
    /// In the order of [`Coefficients::packed`].
    #[serde(with = "array_serde")]
    coefficients: Array1<f64>,
}

impl From<&TriangularMap> for SavedMap {
    fn from(map: &TriangularMap) -> Self {
        let structure = map.structure();
        Self {
            order: structure.order().to_vec(),
            drivers: structure.drivers().len(),
            pairs: (0..map.dim()).map(|position| structure.pairs(position).to_vec()).collect(),
            location: map.location().to_owned(),
            scale: map.scale().to_owned(),
            coefficients: map.coefficients.packed().into(),
        }
    }
}

impl Serialize for TriangularMap {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        SavedMap::from(self).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for TriangularMap {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        SavedMap::deserialize(deserializer)?.try_into().map_err(D::Error::custom)
    }
}

impl TryFrom<SavedMap> for TriangularMap {
    type Error = InvalidMap;

    fn try_from(saved: SavedMap) -> Result<Self, InvalidMap> {
        let structure = Structure::new(saved.order, saved.drivers, &saved.pairs)?;
        let (found, expected) = (saved.coefficients.len(), Coefficients::count(&structure));
        if found != expected {
            return Err(InvalidMap::Length { what: "coefficients", found, expected });
        }
        let mut coefficients = Coefficients::zeros(&structure);
        coefficients.unpack(saved.coefficients.as_slice().expect("a vector is contiguous"));
        coefficients.mask(&structure);
        Self::new(structure, saved.location, saved.scale, coefficients)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::testing::random_map;

    #[test]
    fn every_bit_comes_back() {
        for (dim, drivers) in [(1, 0), (6, 0), (5, 1), (18, 3)] {
            let map = random_map(dim, drivers, 0.3, 5);
            let text = serde_json::to_string(&map).unwrap();
            assert_eq!(serde_json::from_str::<TriangularMap>(&text).unwrap(), map);
        }
    }

    type Damage = fn(&mut SavedMap);

    #[test]
    fn damage_is_an_error() {
        let saved = || SavedMap::from(&random_map(6, 2, 0.3, 5));
        let read = |saved: SavedMap| serde_json::from_str::<TriangularMap>(&serde_json::to_string(&saved).unwrap());
        assert!(read(saved()).is_ok());
        let damages: [(&str, Damage); 8] = [
            ("order", |saved| saved.order[0] = saved.order[1]),
            ("7 drivers", |saved| saved.drivers = 7),
            ("position 3", |saved| saved.pairs[3] = vec![5]),
            ("5 parents", |saved| saved.pairs.truncate(5)),
            ("4 locations", |saved| saved.location = Array1::zeros(4)),
            ("4 scales", |saved| saved.scale = Array1::ones(4)),
            ("1 coefficients", |saved| saved.coefficients = Array1::zeros(1)),
            ("not positive", |saved| saved.scale[2] = 0.0),
        ];
        for (words, damage) in damages {
            let mut saved = saved();
            damage(&mut saved);
            let message = read(saved).unwrap_err().to_string();
            assert!(message.contains(words), "{message} should name {words}");
        }
    }
}

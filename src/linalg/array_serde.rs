//! Tables of numbers in saved states, for `#[serde(with)]`: the shape, and the numbers' bytes
//! (little endian) in base64, so that every bit comes back, in two thirds of the space that decimals
//! take.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use ndarray::{Array, Dimension, IxDyn};
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

#[derive(Serialize, Deserialize)]
struct Table {
    shape: Vec<usize>,
    values: String,
}

pub fn serialize<S: Serializer, D: Dimension>(table: &Array<f64, D>, serializer: S) -> Result<S::Ok, S::Error> {
    let bytes: Vec<u8> = table.iter().flat_map(|value| value.to_le_bytes()).collect();
    Table { shape: table.shape().to_vec(), values: BASE64_STANDARD.encode(bytes) }.serialize(serializer)
}

pub fn deserialize<'de, S: Deserializer<'de>, D: Dimension>(deserializer: S) -> Result<Array<f64, D>, S::Error> {
    let Table { shape, values } = Table::deserialize(deserializer)?;
    let bytes = BASE64_STANDARD.decode(values).map_err(S::Error::custom)?;
    let (numbers, rest) = bytes.as_chunks::<8>();
    let numbers: Vec<f64> = numbers.iter().map(|&bytes| f64::from_le_bytes(bytes)).collect();
    if !rest.is_empty() {
        return Err(S::Error::custom("the bytes of a table end within a number"));
    }
    let table = Array::from_shape_vec(IxDyn(&shape), numbers).map_err(S::Error::custom)?;
    table.into_dimensionality().map_err(S::Error::custom)
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, array};
    use serde::{Deserialize, Serialize};

    #[derive(Serialize, Deserialize)]
    struct Holder(#[serde(with = "super")] Array2<f64>);

    #[test]
    fn every_bit_comes_back() {
        let table = array![[0.1, -0.0, f64::MIN_POSITIVE / 3.0], [f64::INFINITY, f64::NAN, 1e300]];
        let text = serde_json::to_string(&Holder(table.clone().reversed_axes())).unwrap();
        let Holder(back) = serde_json::from_str(&text).unwrap();
        let bits = |table: &Array2<f64>| table.mapv(f64::to_bits);
        assert_eq!(bits(&back), bits(&table.reversed_axes()));
    }

    #[test]
    fn damage_is_an_error() {
        for text in [
            r#"{"shape": [2, 1], "values": "AAAAAAAAAAA="}"#,
            r#"{"shape": [1], "values": "AAAAAAAAAAA="}"#,
            r#"{"shape": [1, 1], "values": "AAAA"}"#,
            r#"{"shape": [1, 1], "values": "?"}"#,
            r#"{"shape": [18446744073709551615, 2], "values": ""}"#,
        ] {
            assert!(serde_json::from_str::<Holder>(text).is_err(), "{text}");
        }
    }
}

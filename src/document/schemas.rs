//! The JSON Schemas in docs/reference/schemas are those of the types.

use std::fs;
use std::path::Path;

use schemars::generate::SchemaSettings;
use schemars::transform::{RecursiveTransform, Transform};
use schemars::{JsonSchema, Schema};

use super::{CompareDocument, FamilyDocument, FitDocument, JobRecord, RunHeader, SampleDocument};

/// What a document has when it is written: every key but those that are left out at times is required, and no key has
/// a default.
fn schema<T: JsonSchema>() -> String {
    let settings = SchemaSettings::draft2020_12().for_serialize();
    let mut schema = settings.into_generator().into_root_schema_for::<T>();
    RecursiveTransform(|schema: &mut Schema| {
        schema.remove("default");
    })
    .transform(&mut schema);
    serde_json::to_string_pretty(&schema).unwrap() + "\n"
}

#[test]
fn the_schemas_are_those_of_the_types() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/reference/schemas");
    for (name, expected) in [
        ("compare", schema::<CompareDocument>()),
        ("family", schema::<FamilyDocument>()),
        ("fit", schema::<FitDocument>()),
        ("run-header", schema::<RunHeader>()),
        ("run-job", schema::<JobRecord>()),
        ("sample", schema::<SampleDocument>()),
    ] {
        let path = folder.join(format!("{name}.json"));
        if std::env::var_os("UPDATE_DOCS").is_some() {
            fs::create_dir_all(&folder).unwrap();
            fs::write(&path, expected).unwrap();
            continue;
        }
        let present = fs::read_to_string(&path).unwrap_or_default();
        assert!(
            present == expected,
            "{} is out of date: UPDATE_DOCS=1 cargo test --release --lib document::schemas writes it",
            path.display()
        );
    }
}

//! The C++ sources that give a translated program BridgeStan's C interface, compiled into the binary.

use std::fs;
use std::io;
use std::path::Path;

/// The file that is compiled; the others are its headers.
pub(super) const MAIN: &str = "bridge.cpp";

/// The symbols that a library shows, for the linker.
pub(super) const EXPORTS: &str = "exports.map";

/// Every source with its name.
pub(super) const SOURCES: [(&str, &str); 7] = [
    (MAIN, include_str!("../../bridge/bridge.cpp")),
    (EXPORTS, include_str!("../../bridge/exports.map")),
    ("errors.hpp", include_str!("../../bridge/errors.hpp")),
    ("evaluation.hpp", include_str!("../../bridge/evaluation.hpp")),
    ("json.hpp", include_str!("../../bridge/json.hpp")),
    ("model.hpp", include_str!("../../bridge/model.hpp")),
    ("print.hpp", include_str!("../../bridge/print.hpp")),
];

/// Writes the sources into `folder`.
pub(super) fn write(folder: &Path) -> io::Result<()> {
    SOURCES.iter().try_for_each(|(name, text)| fs::write(folder.join(name), text))
}

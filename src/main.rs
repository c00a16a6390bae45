//! The command line: arguments in, calls to the library, exit code out.
fn main() {}

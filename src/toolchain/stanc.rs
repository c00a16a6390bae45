//! A program's names and folders as stanc, Stan's translator to C++, takes them.

use crate::program::Program;

use super::ToolchainError;

/// The include folders, separated by commas.
pub(super) fn include_paths(program: &Program) -> Result<String, ToolchainError> {
    let directories = program.include_directories();
    let folders: Vec<String> = directories.iter().map(|folder| folder.display().to_string()).collect();
    match folders.iter().position(|folder| folder.contains(',')) {
        Some(index) => Err(ToolchainError::IncludeFolder { folder: directories[index].clone() }),
        None => Ok(folders.join(",")),
    }
}

/// The name that Stan's messages give to the program's file. It ends in a C++ string, so it holds only plain
/// characters.
pub(super) fn file_name(program: &Program) -> String {
    let plain = |c: char| if c.is_alphanumeric() || "_-.+ ".contains(c) { c } else { '_' };
    program.name().chars().map(plain).chain(".stan".chars()).collect()
}

/// The name of the C++ class, as BridgeStan and CmdStan form it.
pub(super) fn class_name(program: &Program) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    let name: String = program.name().chars().map(plain).chain("_model".chars()).collect();
    if name.starts_with(|c: char| c.is_ascii_digit()) { format!("_{name}") } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_safe_in_cpp() {
        let program = Program::embedded("9 lives\"; x-y", "");
        assert_eq!(class_name(&program), "_9_lives___x_y_model");
        assert_eq!(file_name(&program), "9 lives__ x-y.stan");
    }
}

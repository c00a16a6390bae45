//! Where the block of generated quantities begins, which is a program's last.

/// The place of the block `generated quantities` in a program's text, comments and strings aside.
pub(super) fn start(source: &str) -> Option<usize> {
    let mut depth = 0_usize;
    let mut place = 0;
    while let Some(character) = source[place..].chars().next() {
        let rest = &source[place..];
        let word = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        let after =
            |end: &str, from: usize| rest[from..].find(end).map_or(rest.len(), |found| from + found + end.len());
        place += match character {
            _ if rest.starts_with("//") => after("\n", 2),
            _ if rest.starts_with("/*") => after("*/", 2),
            '"' => after("\"", 1),
            '{' => {
                depth += 1;
                1
            }
            '}' => {
                depth = depth.saturating_sub(1);
                1
            }
            _ if word == 0 => character.len_utf8(),
            _ if depth == 0 && &rest[..word] == "generated" => {
                let next = rest[word..].trim_start();
                if next.starts_with("quantities") {
                    return Some(place);
                }
                word
            }
            _ => word,
        };
    }
    None
}

#[cfg(test)]
mod tests {
    use super::start;

    #[test]
    fn the_block_is_found_whatever_else_is_written() {
        let before = "// generated quantities {\nfunctions { void f() { print(\"generated quantities { é\"); } }\n\
                      /* generated quantities { */ parameters { real generated; }\nmodel { }\n";
        let source = format!("{before}generated\n  quantities {{ real y = 1; }}\n");
        assert_eq!(start(&source), Some(before.len()));
        assert_eq!(start(before), None);
        assert_eq!(start("generated quantities{}"), Some(0));
        assert_eq!(start("my_generated quantities {} /*"), None);
    }
}

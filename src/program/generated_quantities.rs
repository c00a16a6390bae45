//! Where the block of generated quantities begins, which is a program's last.

use super::tokens::tokens;

/// The place of the block `generated quantities` in a program's text.
pub(super) fn start(source: &str) -> Option<usize> {
    let mut depth = 0_usize;
    let mut tokens = tokens(source).peekable();
    while let Some((place, token)) = tokens.next() {
        match token {
            "{" => depth += 1,
            "}" => depth = depth.saturating_sub(1),
            "generated" if depth == 0 && tokens.peek().is_some_and(|&(_, next)| next == "quantities") => {
                return Some(place);
            }
            _ => {}
        }
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

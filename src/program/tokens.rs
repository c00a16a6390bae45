//! A program's words, comments and strings aside, for what has to be known of its text before it is translated.

/// The words of a program's text and its other characters one by one, each with its place; white space, comments and
/// strings are left out.
pub(super) fn tokens(source: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut place = 0;
    std::iter::from_fn(move || {
        loop {
            let rest = &source[place..];
            let character = rest.chars().next()?;
            let word = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
            let after =
                |end: &str, from: usize| rest[from..].find(end).map_or(rest.len(), |found| from + found + end.len());
            let skipped = match character {
                _ if rest.starts_with("//") => after("\n", 2),
                _ if rest.starts_with("/*") => after("*/", 2),
                '"' => after("\"", 1),
                _ if character.is_whitespace() => character.len_utf8(),
                _ => {
                    let length = if word == 0 { character.len_utf8() } else { word };
                    let found = (place, &rest[..length]);
                    place += length;
                    return Some(found);
                }
            };
            place += skipped;
        }
    })
}

#[cfg(test)]
mod tests {
    use super::tokens;

    #[test]
    fn comments_and_strings_are_left_out() {
        let source = "real é_1;// vector[N] x;\n/* int N; */print(\"{\");";
        let found: Vec<&str> = tokens(source).map(|(_, token)| token).collect();
        assert_eq!(found, ["real", "é_1", ";", "print", "(", ")", ";"]);
        assert!(tokens(source).all(|(place, token)| source[place..].starts_with(token)));
        assert_eq!(tokens("/* never ends").count() + tokens("\"never ends").count() + tokens(" \n").count(), 0);
    }
}

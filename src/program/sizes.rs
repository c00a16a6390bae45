//! The names in the blocks `data` and `parameters` that must be data, as far as a program's own file tells.

use super::tokens::tokens;

/// Whether `name` is that of a data variable: it stands in the block `data`, where no other variables are known.
pub(super) fn is_data(source: &str, name: &str) -> bool {
    block(source, "data").contains(&name)
}

/// The data variables that stand alone as a size in a declaration of the block `data` or `parameters`, where every
/// declaration is in force: they must not be negative.
pub(super) fn plain_sizes(source: &str) -> Vec<&str> {
    let data = block(source, "data");
    let of_parameters = sizes_of(&block(source, "parameters")).into_iter().filter(|name| data.contains(name));
    sizes_of(&data).into_iter().chain(of_parameters).collect()
}

/// The tokens inside the block `name`; none where the program has no such block.
fn block<'a>(source: &'a str, name: &str) -> Vec<&'a str> {
    let all: Vec<&str> = tokens(source).map(|(_, token)| token).collect();
    let mut depth = 0_usize;
    let mut inside = None;
    for (index, &token) in all.iter().enumerate() {
        match token {
            "{" => {
                depth += 1;
                let is_it = depth == 1 && index > 0 && all[index - 1] == name;
                if is_it && (index < 2 || all[index - 2] != "transformed") {
                    inside = Some(index + 1);
                }
            }
            "}" => {
                depth = depth.saturating_sub(1);
                if let (0, Some(begin)) = (depth, inside) {
                    return all[begin..index].to_vec();
                }
            }
            _ => {}
        }
    }
    Vec::new()
}

fn sizes_of<'a>(block: &[&'a str]) -> Vec<&'a str> {
    let mut found = Vec::new();
    // For each bracket that is open, whether it holds sizes: `[` behind a type or a name, and inside of no other.
    let mut open: Vec<bool> = Vec::new();
    for (index, &token) in block.iter().enumerate() {
        let beside = |index: Option<usize>| index.and_then(|index| block.get(index)).copied().unwrap_or_default();
        let (before, after) = (beside(index.checked_sub(1)), beside(Some(index + 1)));
        match token {
            "[" => open.push(open.is_empty() && (before == ">" || is_name(before))),
            "(" | "{" => open.push(false),
            "]" | ")" | "}" => {
                open.pop();
            }
            name if open.last() == Some(&true)
                && is_name(name)
                && matches!(before, "[" | ",")
                && matches!(after, "]" | ",") =>
            {
                found.push(name);
            }
            _ => {}
        }
    }
    found
}

fn is_name(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphabetic())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = "functions { real f(data real x) { return x; } }\n\
        data { int<lower=0> N; int M; int L; array[N, L] vector<lower=[Q, R]'[1]>[2 * M] y; real z[K[J]]; }\n\
        transformed data { int T = N; vector[T] a; }\n\
        parameters { vector<lower=0>[M] b; vector[T] t; /* vector[Q] c; */ }\n\
        transformed parameters { vector[D] d = f(1) * b; }\n";

    #[test]
    fn data_variables_are_those_of_their_block() {
        for name in ["N", "M", "y", "z"] {
            assert!(is_data(SOURCE, name), "{name}");
        }
        for name in ["T", "x", "b", "a"] {
            assert!(!is_data(SOURCE, name), "{name}");
        }
        assert!(!is_data("transformed data { int N = 1; }", "N") && !is_data("", "N"));
    }

    #[test]
    fn sizes_are_plain_names_in_brackets_behind_types_and_names() {
        assert_eq!(plain_sizes(SOURCE), ["N", "L", "M"]);
        assert_eq!(plain_sizes("data { int N; matrix[N,N+1] x; "), [""; 0]);
    }
}

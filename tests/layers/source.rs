//! What one source file says of others: the paths that it imports and uses, outside its tests.

use std::iter::Peekable;
use std::slice::Iter;

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// The segments of a path, such as `crate`, `draws`, `Draws`.
pub type Path = Vec<String>;

/// The references of one file.
#[derive(Debug, Default)]
pub struct Source {
    /// The name and the path of every import. A glob has the name `*`.
    pub imports: Vec<(String, Path)>,
    /// Paths that begin with `crate`, `self`, `super` or the library's name and are used where they stand.
    pub inline: Vec<Path>,
    /// Modules in files of their own that are compiled for tests only.
    pub test_modules: Vec<String>,
}

type Tokens<'a> = Peekable<Iter<'a, TokenTree>>;

impl Source {
    /// Reads a file's text, of which comments, strings and what is compiled for tests only count for nothing.
    pub fn parse(text: &str) -> Self {
        let tokens: TokenStream = text.parse().expect("a source file consists of tokens");
        let mut source = Self::default();
        source.read(tokens);
        source
    }

    fn read(&mut self, tokens: TokenStream) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let mut rest = tokens.iter().peekable();
        while let Some(token) = rest.next() {
            match token {
                TokenTree::Punct(mark) if mark.as_char() == '#' => {
                    let is_test = rest.next_if(|next| is_group(next, Delimiter::Bracket)).is_some_and(is_for_tests);
                    if is_test {
                        self.skip_item(&mut rest);
                    }
                }
                TokenTree::Group(group) => self.read(group.stream()),
                // `use<'a>` in a type imports nothing.
                TokenTree::Ident(word) if word == "use" && !is_mark(rest.peek().copied(), '<') => {
                    let mut paths = Vec::new();
                    skip_colons(&mut rest);
                    read_paths(&mut rest, Vec::new(), &mut paths);
                    self.imports.extend(paths);
                }
                TokenTree::Ident(word) if is_root(&word.to_string()) && skip_colons(&mut rest) => {
                    let mut paths = Vec::new();
                    read_paths(&mut rest, vec![word.to_string()], &mut paths);
                    self.inline.extend(paths.into_iter().map(|(_, path)| path));
                }
                _ => {}
            }
        }
    }

    /// Passes over the item after `#[cfg(test)]`: to its block or its semicolon.
    fn skip_item(&mut self, rest: &mut Tokens) {
        let mut module = None;
        while let Some(token) = rest.next() {
            match token {
                TokenTree::Ident(word) if word == "mod" => module = rest.peek().map(ToString::to_string),
                TokenTree::Punct(mark) if mark.as_char() == ';' => {
                    self.test_modules.extend(module);
                    return;
                }
                token if is_group(token, Delimiter::Brace) => return,
                _ => {}
            }
        }
    }
}

/// Reads what may follow `prefix::`: a name, a name and more, a list in braces, or a star.
fn read_paths(rest: &mut Tokens, mut prefix: Path, paths: &mut Vec<(String, Path)>) {
    while let Some(token) = rest.peek().copied() {
        match token {
            TokenTree::Ident(name) => {
                rest.next();
                prefix.push(name.to_string());
                if skip_colons(rest) {
                    continue;
                }
            }
            TokenTree::Punct(mark) if mark.as_char() == '*' => {
                rest.next();
                paths.push(("*".to_owned(), prefix));
                return;
            }
            TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => {
                rest.next();
                let tokens: Vec<TokenTree> = group.stream().into_iter().collect();
                for part in tokens.split(|token| is_mark(Some(token), ',')) {
                    read_paths(&mut part.iter().peekable(), prefix.clone(), paths);
                }
                return;
            }
            // `path::<T>` and `path::$name`.
            _ => {}
        }
        break;
    }
    // `{self, …}` is the path before the braces.
    if prefix.len() > 1 && prefix.last().is_some_and(|last| last == "self") {
        prefix.pop();
    }
    let Some(last) = prefix.last().cloned() else { return };
    let alias = rest.next_if(|token| matches!(token, TokenTree::Ident(word) if word == "as"));
    let name = alias.and_then(|_| rest.next()).map_or(last, ToString::to_string);
    paths.push((name, prefix));
}

fn skip_colons(rest: &mut Tokens) -> bool {
    let is_colon = |token: &&TokenTree| is_mark(Some(*token), ':');
    // `name: Type` has one colon, which ends a path as well as anything.
    rest.next_if(is_colon).is_some() && rest.next_if(is_colon).is_some()
}

fn is_root(word: &str) -> bool {
    ["crate", "self", "super", "stanmatch"].contains(&word)
}

fn is_mark(token: Option<&TokenTree>, mark: char) -> bool {
    matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == mark)
}

fn is_group(token: &TokenTree, delimiter: Delimiter) -> bool {
    matches!(token, TokenTree::Group(group) if group.delimiter() == delimiter)
}

/// Whether an attribute's brackets hold `cfg(test)` or `cfg(all(test, …))`.
fn is_for_tests(brackets: &TokenTree) -> bool {
    let text: String = brackets.to_string().split_whitespace().collect();
    text.starts_with("[cfg(test)") || text.starts_with("[cfg(all(test")
}

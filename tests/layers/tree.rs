//! The modules of a crate, which of them use which, and what in that breaks the order of layers.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path;

use crate::source::{Path, Source};

/// A module as the names that lead to it from the crate's root, which has none.
type Module = Vec<String>;

/// How many imports of imports are followed.
const DEEPEST: usize = 16;

/// The modules of a crate: those of its library and, below `cli`, those of its binary.
pub struct Tree {
    modules: BTreeMap<Module, Source>,
}

impl Tree {
    /// Reads all `.rs` files in the folder `src`.
    pub fn read(src: &path::Path) -> Self {
        let mut files = Vec::new();
        let mut folders = vec![src.to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|extension| extension == "rs") {
                    let text = fs::read_to_string(&path).unwrap();
                    files.push((path.strip_prefix(src).unwrap().display().to_string(), text));
                }
            }
        }
        Self::new(files.iter().map(|(path, text)| (path.as_str(), text.as_str())))
    }

    /// The tree of these files: paths relative to the folder `src`, and texts.
    pub fn new<'a>(files: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut modules: BTreeMap<Module, Source> = BTreeMap::new();
        for (path, text) in files {
            let mut module: Module = path.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
            if module.last().is_some_and(|last| ["mod", "lib", "main"].contains(&last.as_str())) {
                module.pop();
            }
            // `lib.rs` and `main.rs` are both the root.
            let source = Source::parse(text);
            let known = modules.entry(module).or_default();
            known.imports.extend(source.imports);
            known.inline.extend(source.inline);
            known.test_modules.extend(source.test_modules);
        }
        let for_tests: Vec<Module> = (modules.iter())
            .flat_map(|(module, source)| source.test_modules.iter().map(|name| child(module, name)))
            .collect();
        modules.retain(|module, _| !for_tests.iter().any(|tests| module.starts_with(tests)));
        Self { modules }
    }

    /// What breaks the order `layers`, in which each may use only those before it: a sentence for every module that
    /// uses a later layer, for every layer that the order does not name, and for every circle of modules in one folder.
    pub fn problems(&self, layers: &[String]) -> Vec<String> {
        let place = |layer: &String| layers.iter().position(|known| known == layer);
        let mut problems = Vec::new();
        for layer in self.modules.keys().filter_map(|module| module.first()).collect::<BTreeSet<_>>() {
            if place(layer).is_none() {
                problems.push(format!("`{layer}` is not among the layers"));
            }
        }
        let mut folders: BTreeMap<&[String], BTreeMap<&str, BTreeSet<&str>>> = BTreeMap::new();
        let dependencies = self.dependencies();
        for (from, to) in &dependencies {
            let shared = from.iter().zip(to).take_while(|(a, b)| a == b).count();
            // A folder's own file is there for the files in it, and they for it.
            let (Some(user), Some(used)) = (from.get(shared), to.get(shared)) else { continue };
            folders.entry(&from[..shared]).or_default().entry(user).or_default().insert(used);
            if let (0, Some(user), Some(used)) = (shared, place(user), place(used))
                && user < used
            {
                problems.push(format!("{} uses the later layer {}", from.join("::"), to.join("::")));
            }
        }
        for (folder, uses) in folders {
            if let Some(circle) = circle(&uses) {
                let of =
                    if folder.is_empty() { "layers".to_owned() } else { format!("modules of {}", folder.join("::")) };
                problems.push(format!("the {of} use each other in a circle: {}", circle.join(" → ")));
            }
        }
        problems
    }

    /// Which module uses which other, once for each pair.
    fn dependencies(&self) -> BTreeSet<(Module, Module)> {
        let mut dependencies = BTreeSet::new();
        for (module, source) in &self.modules {
            for path in source.imports.iter().map(|(_, path)| path).chain(&source.inline) {
                if let Some(used) = self.resolve(module, path, DEEPEST).filter(|used| used != module) {
                    dependencies.insert((module.clone(), used));
                }
            }
        }
        dependencies
    }

    /// The module in which the thing that `path` names in `module` is written; none where it is another crate's.
    fn resolve(&self, module: &Module, path: &Path, depth: usize) -> Option<Module> {
        let depth = depth.checked_sub(1)?;
        let mut at = module.clone();
        let mut segments = path.iter();
        match path.first()?.as_str() {
            "crate" | "stanmatch" => {
                at = Module::new();
                segments.next();
            }
            "self" => _ = segments.next(),
            "super" => {}
            name if self.modules.contains_key(&child(module, name)) => {}
            _ => return None,
        }
        for segment in segments {
            if segment == "super" {
                at.pop();
                continue;
            }
            let inner = child(&at, segment);
            if self.modules.contains_key(&inner) {
                at = inner;
                continue;
            }
            let imported = self.modules.get(&at)?.imports.iter().find(|(name, _)| name == segment);
            match imported.and_then(|(_, path)| self.resolve(&at, path, depth)) {
                Some(elsewhere) => at = elsewhere,
                None => break,
            }
        }
        Some(at)
    }
}

fn child(module: &[String], name: &str) -> Module {
    module.iter().cloned().chain([name.to_owned()]).collect()
}

/// The shortest circle through any of the modules, its first one at both ends.
fn circle<'a>(uses: &BTreeMap<&'a str, BTreeSet<&'a str>>) -> Option<Vec<&'a str>> {
    let circles = uses.keys().filter_map(|&start| {
        let mut paths = vec![vec![start]];
        let mut seen = BTreeSet::new();
        while !paths.is_empty() {
            let mut longer = Vec::new();
            for path in paths {
                for &next in path.last().and_then(|last| uses.get(last)).into_iter().flatten() {
                    let path: Vec<&str> = path.iter().copied().chain([next]).collect();
                    if next == start {
                        return Some(path);
                    }
                    if seen.insert(next) {
                        longer.push(path);
                    }
                }
            }
            paths = longer;
        }
        None
    });
    circles.min_by_key(Vec::len)
}

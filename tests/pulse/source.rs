//! The source of the crate as the layer tests see it: its files, the paths that they name, and the arrows
//! between files. Reads text, without comments and without the compiler.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use regex::Regex;

/// A module path below the crate: `["log", "history", "writer"]`. A `mod.rs` has the path of its folder, and
/// `lib.rs` the empty path.
pub(crate) type Module = Vec<String>;

/// A path that a file names, and the last name in it or its alias.
#[derive(Clone, Debug, PartialEq)]
struct Import {
    path: Vec<String>,
    name: String,
}

/// The files of the crate without their comments.
pub(crate) struct Source(BTreeMap<Module, String>);

impl Source {
    /// Reads `src`.
    pub(crate) fn read() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let (mut files, mut dirs) = (BTreeMap::new(), vec![root.clone()]);
        while let Some(dir) = dirs.pop() {
            for entry in fs::read_dir(&dir).expect("a source directory") {
                let path = entry.expect("a readable entry").path();
                if path.is_dir() {
                    dirs.push(path);
                } else if path.extension().is_some_and(|end| end == "rs") {
                    let below = path.strip_prefix(&root).expect("below src").with_extension("");
                    let mut module: Module =
                        below.iter().map(|part| part.to_string_lossy().into_owned()).collect();
                    if module.last().is_some_and(|last| last == "mod") || module == ["lib"] {
                        module.pop();
                    }
                    files.insert(module, fs::read_to_string(&path).expect("a UTF-8 file"));
                }
            }
        }
        Self::new(files)
    }

    pub(crate) fn new(files: BTreeMap<Module, String>) -> Self {
        let comment = Regex::new(r"(?m)(^|\s)//.*").expect("a valid pattern");
        let without_comments =
            |(module, text): (Module, String)| (module, comment.replace_all(&text, "").into());
        Self(files.into_iter().map(without_comments).collect())
    }

    /// Every file: its module and its text.
    pub(crate) fn files(&self) -> impl Iterator<Item = (&Module, &str)> {
        self.0.iter().map(|(module, text)| (module, text.as_str()))
    }

    /// The same files without unit tests.
    pub(crate) fn without_tests(&self) -> Self {
        let test = Regex::new(r"#\[cfg\(test\)\]\s*mod \w+ \{").expect("a valid pattern");
        let is_test = |module: &Module| module.iter().any(|part| part.ends_with("tests"));
        let files = self.0.iter().filter(|(module, _)| !is_test(module));
        let code = |text: &String| test.split(text).next().unwrap_or_default().to_owned();
        Self(files.map(|(module, text)| (module.clone(), code(text))).collect())
    }

    /// The absolute paths of the crate that a file names. Expands `use` trees, but follows no re-exports.
    pub(crate) fn named(&self, module: &Module) -> BTreeSet<Vec<String>> {
        let path = Regex::new(r"\b(crate|pulsed|self|super)::").expect("a valid pattern");
        let text = &self.0[module];
        let inline = path.find_iter(text).filter(|found| !text[..found.start()].ends_with("::"));
        let inline = inline.flat_map(|found| parse(&text[found.start()..]).0);
        let inline = inline.filter_map(|import| self.absolute(module, &import.path));
        inline.chain(self.imports(module).into_iter().map(|import| import.path)).collect()
    }

    /// The arrows: pairs of two files, of which the first names the second. Follows re-exports to the file that
    /// defines an item.
    pub(crate) fn arrows(&self) -> BTreeSet<(Module, Module)> {
        let imports = self.0.keys().map(|module| (module, self.imports(module))).collect();
        let mut arrows = BTreeSet::new();
        for module in self.0.keys() {
            let paths = self.named(module).into_iter();
            let targets = paths.map(|path| self.file_of(&path, &imports, 0));
            let others = targets.filter(|target| target != module);
            arrows.extend(others.map(|target| (module.clone(), target)));
        }
        arrows
    }

    /// The imports of a file from its own crate, with absolute paths.
    fn imports(&self, module: &Module) -> Vec<Import> {
        let import = Regex::new(r"\buse\s").expect("a valid pattern");
        let text = &self.0[module];
        let found = import.find_iter(text).flat_map(|found| parse(&text[found.end()..]).0);
        let absolute = |Import { path, name }: Import| {
            Some(Import { path: self.absolute(module, &path)?, name })
        };
        found.filter_map(absolute).collect()
    }

    /// A path as seen from the crate. `None` if it begins with another crate.
    fn absolute(&self, module: &Module, path: &[String]) -> Option<Vec<String>> {
        let supers = path.iter().take_while(|part| *part == "super").count();
        let (base, rest) = match path.first()?.as_str() {
            "crate" | "pulsed" => (Module::new(), &path[1..]),
            "self" => (module.clone(), &path[1..]),
            "super" => (module[..module.len().saturating_sub(supers)].into(), &path[supers..]),
            child => {
                let is_child = self.0.contains_key(&[module.as_slice(), &[child.into()]].concat());
                (is_child.then(|| module.clone())?, path)
            }
        };
        Some([base.as_slice(), rest].concat())
    }

    /// The file that defines what an absolute path names. `depth` bounds chains of re-exports.
    fn file_of(
        &self,
        path: &[String],
        imports: &BTreeMap<&Module, Vec<Import>>,
        depth: usize,
    ) -> Module {
        let is_file = |length: &usize| self.0.contains_key(&path[..*length]);
        let length = (1..=path.len()).take_while(is_file).last().unwrap_or(0);
        let module = path[..length].to_vec();
        let reexported = path.get(length).filter(|_| depth < 8).and_then(|name| {
            imports.get(&module)?.iter().find(|import| import.name == *name && import.path != path)
        });
        reexported.map_or(module, |import| self.file_of(&import.path, imports, depth + 1))
    }
}

/// Parses a path or a `use` tree. Returns each path in it, and the rest of the text.
fn parse(text: &str) -> (Vec<Import>, &str) {
    let text = text.trim_start();
    if let Some(mut rest) = text.strip_prefix('{') {
        let mut imports = Vec::new();
        loop {
            rest = rest.trim_start_matches(|c: char| c.is_whitespace() || c == ',');
            let (more, after) = parse(rest);
            if more.is_empty() {
                return (imports, rest.strip_prefix('}').unwrap_or(rest));
            }
            imports.extend(more);
            rest = after;
        }
    }
    let end = |c: char| !c.is_alphanumeric() && !"_*".contains(c);
    let (word, rest) = text.split_at(text.find(end).unwrap_or(text.len()));
    let below = rest.strip_prefix("::").map(parse).filter(|(imports, _)| !imports.is_empty());
    match below {
        Some((imports, rest)) => (imports.into_iter().map(|it| it.below(word)).collect(), rest),
        None if word.is_empty() => (Vec::new(), rest),
        None => {
            let alias = rest.trim_start().strip_prefix("as ").map(parse);
            let (name, rest) = match &alias {
                Some((alias, rest)) => (alias[0].name.clone(), *rest),
                None => (word.to_owned(), rest),
            };
            (vec![Import { path: vec![word.to_owned()], name }], rest)
        }
    }
}

impl Import {
    /// The same in a group: `self` and `*` in it are the group's own path.
    fn below(mut self, word: &str) -> Self {
        if self.path == ["self"] || self.path == ["*"] {
            self.path.clear();
            self.name = if self.name == "self" { word.to_owned() } else { self.name };
        }
        self.path.insert(0, word.to_owned());
        self
    }
}

#[test]
fn parses_use_trees() {
    let parsed = |text: &str| -> Vec<String> {
        let imports = parse(text).0.into_iter();
        imports.map(|import| format!("{} {}", import.path.join("::"), import.name)).collect()
    };
    assert_eq!(parsed("crate::log::Log;"), ["crate::log::Log Log"]);
    assert_eq!(parsed("super::*;"), ["super *"]);
    assert_eq!(parsed("crate::log::Log::<T>::new()"), ["crate::log::Log Log"]);
    assert_eq!(parsed("a::B as C;"), ["a::B C"]);
    assert_eq!(
        parsed("a::{\n    self,\n    b::{C, D as E},\n    f,\n};"),
        ["a a", "a::b::C C", "a::b::D E", "a::f f"]
    );
}

#[test]
fn resolves_arrows() {
    let files = [
        (
            "log",
            "mod chunk;\nmod window;\npub(crate) use chunk::{Chunk, Piece as Part};\nstruct Log;",
        ),
        ("log::chunk", "use crate::event::Line; // use super::window"),
        (
            "log::window",
            "use super::{Chunk, Log};\nuse super::Part;\n#[cfg(test)]\nmod tests {\n    use crate::sys;\n}",
        ),
        ("log::window::tests", "use crate::sys;"),
        ("event", "mod line;\npub use self::line::Line;"),
        ("event::line", ""),
        ("sys", "fn f() { crate::log::Chunk::new() }"),
    ];
    let module = |path: &str| -> Module { path.split("::").map(str::to_owned).collect() };
    let source = files.map(|(path, text)| (module(path), text.to_owned()));
    let arrows = |source: &Source| -> Vec<String> {
        let arrows = source.arrows().into_iter();
        arrows.map(|(from, to)| format!("{} -> {}", from.join("::"), to.join("::"))).collect()
    };
    let source = Source::new(BTreeMap::from(source));
    let code = [
        "event -> event::line",
        "log -> log::chunk",
        "log::chunk -> event::line",
        "log::window -> log",
        "log::window -> log::chunk",
        "sys -> log::chunk",
    ];
    assert_eq!(arrows(&source.without_tests()), code);
    assert_eq!(arrows(&source).len(), code.len() + 2, "{:?}", arrows(&source));
}

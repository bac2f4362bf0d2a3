//! Imports between source files point one way.
//!
//! Each path is resolved to the file that defines its item: `use` lines, and paths in
//! code, macros and attributes. `mod` lines, re-exports (`pub use`) and code that exists
//! only in tests are not imports. Calls of methods are not resolved, because that takes
//! types, and associated functions count as defined beside their type.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use proc_macro2::{Delimiter, Ident, TokenStream, TokenTree};
use syn::punctuated::Punctuated;
use syn::{Meta, Token, UseTree};

/// The modules of `highwater` that make up the playground.
const PLAYGROUND: [&str; 4] = ["analysis", "platform", "scenario", "workload"];

#[test]
fn no_two_files_import_each_other() {
    let roots = crate_roots();
    assert!(roots.len() > 20, "{roots:?}");
    let mut circles: Vec<_> = roots
        .iter()
        .flat_map(|root| circles(imports(root)))
        .collect();
    circles.sort();
    circles.dedup();
    assert!(
        circles.is_empty(),
        "files import each other:\n{}\nImports must point one way. Move what several files \
         need out of the file that assembles them: into the file that owns the idea, or into \
         a file of its own.",
        circles.join("\n")
    );
}

#[test]
fn library_does_not_import_the_playground() {
    let source = workspace().join("core/src");
    let is_in = |module: &str, file: &Path| {
        let name = file.strip_prefix(&source).unwrap().with_extension("");
        name.starts_with(module)
    };
    let is_playground = |file: &Path| PLAYGROUND.iter().any(|module| is_in(module, file));
    let imports = imports(&source.join("lib.rs"));
    for edge in &imports {
        let (from, to) = edge.0;
        assert!(
            is_playground(from) || !is_playground(to),
            "{}\nThe library must not depend on the playground. Move what it needs out of \
             {PLAYGROUND:?}.",
            describe(edge)
        );
    }
    for module in PLAYGROUND {
        assert!(
            imports.keys().any(|(_, to)| is_in(module, to)),
            "nothing imports {module}"
        );
    }
}

#[test]
fn every_kind_of_path_is_an_import() {
    let lib = "extern crate self as root_alias; mod a; mod b; mod c; pub use b::Item; pub(crate) use c::*; \
               macro_rules! own { () => {} }";
    let b = "pub struct Item; pub trait Act {} pub enum Kind { One } pub fn run() {} \
             pub mod inner { pub struct Deep; } pub mod with { pub fn serialize() {} } \
             macro_rules! textual { () => {} } \
             #[macro_export] macro_rules! exported { () => {} } pub(crate) use textual; \
             defined! { pub struct Generated; } extern \"C\" { pub fn foreign(); }";
    let c = "pub struct Other;";
    let is_import = |a: &str| {
        let files = [("lib.rs", lib), ("a.rs", a), ("b.rs", b), ("c.rs", c)];
        let read = |path: &Path| {
            let found = files.iter().find(|(name, _)| path == Path::new(name))?;
            Some(found.1.to_owned())
        };
        let edges = Crate::read(Path::new("lib.rs"), &read).imports();
        edges.contains_key(&("a.rs".into(), "b.rs".into()))
    };
    for code in [
        "use crate::b::Item;",
        "use crate::Item;",
        "use super::{c::Other, b::{self, Kind::One}};",
        "use crate::b::Act as _;",
        "use crate::b::*;",
        "use crate::b::Kind::*;",
        "pub(self) use crate::b::Act;",
        "use crate::b; fn f() { b::run() }",
        "use crate::b as other; type T = other::inner::Deep;",
        "use crate::{self as root}; type T = root::b::Item;",
        "extern crate self as me; type T = me::b::Item;",
        "fn f() { root_alias::b::run() }",
        "use super::*; type T = Item;",
        "pub(crate) use crate::b::run; fn f() { run() }",
        "fn f() { use crate::b; b::run() }",
        "fn f() { use crate::b::*; run() }",
        "fn f() { use super::b as other; other::run() }",
        "fn f() { crate::b::run() }",
        "fn f(_: &dyn crate::b::Act) -> Vec<super::b::Item> { todo!() }",
        "fn f(k: u8) { match k { crate::b::Kind::One => {} } }",
        "fn f() { vec![[super::b::Item]]; }",
        "fn f() { <crate::b::Item as Clone>::clone::<u8>() }",
        "impl crate::b::Act for u8 {}",
        "struct S; impl S { fn f() { crate::b::run() } }",
        "mod inline { fn f() { super::super::b::run() } }",
        "mod inline { pub use crate::b; } fn f() { inline::b::run() }",
        "fn f() { crate::r#b::run() }",
        "type T = crate::b::Generated;",
        "fn f() { crate::b::foreign() }",
        "macro_rules! m { () => { $crate::b::run() } }",
        "fn f() { textual!() }",
        "use crate::b::textual;",
        "fn f() { crate::exported! {} }",
        "thread_local! { static X: crate::b::Item = todo!(); }",
        "#[derive(crate::b::Derive)] struct S;",
        "#[serde(with = \"crate::b::with\")] struct S;",
        "struct S { #[cfg_attr(x, serde(serialize_with = \"super::b::run\"))] f: u8 }",
        "#[cfg(feature = \"test\")] use crate::b::Item;",
        "#[cfg(not(test))] use crate::b::Item;",
        "#[cfg(any(test, unix))] use crate::b::Item;",
        "#[cfg(all(unix, not(loom)))] mod inline { use crate::b::Item; }",
        "#[cfg(x)] use crate::c::Other as T; #[cfg(not(x))] use crate::b::Item as T;",
    ] {
        assert!(is_import(code), "{code}");
    }
    for code in [
        "pub use crate::b::Item;",
        "pub(crate) use crate::b::*;",
        "use crate::c::Other;",
        "use b::Item; use ::b::run; fn f(b: u8) { b; run() }",
        "fn f() { own!() }",
        "/// Like [`crate::b::Item`].\npub(in crate::b) struct S;",
        "#[cfg(test)] mod tests { use crate::b::Item; }",
        "#[cfg(all(unix, any(test, loom)))] use crate::b::Item;",
        "#[test] fn f() {} #[cfg(test)] mod tests;",
        "#![cfg(test)] fn f() {} use crate::b::Item;",
        "struct S; impl S { #[cfg(test)] fn f() { crate::b::run() } }",
        "fn f() { #[cfg(test)] crate::b::run(); }",
        "/// crate::b::run\nstruct S;",
        "pub use crate::b::run; struct S { run: u8 } fn f(s: S) { s.run; s.run() }",
    ] {
        assert!(!is_import(code), "{code}");
    }
}

#[test]
fn circles_are_found_in_every_layout() {
    let files = BTreeMap::from([
        (
            "x/lib.rs",
            "mod a; mod b; #[path = \"named.rs\"] mod c; wrap! { mod d; } mod e; pub use e::E; \
             fn f() -> &'static E { a::f() }",
        ),
        (
            "x/a.rs",
            "mod child; pub fn f(_: child::T) -> crate::E { todo!() } pub struct A;",
        ),
        ("x/a/child.rs", "pub struct T(super::A); use crate::e::E;"),
        (
            "x/b/mod.rs",
            "mod child; use child::T; #[cfg_attr(x, path = \"y.rs\")] mod z;",
        ),
        ("x/b/child.rs", "pub struct T; use crate::c::C;"),
        ("x/b/y.rs", "use crate::c::C;"),
        ("x/b/z.rs", "fn f() { super::super::d::D; }"),
        ("x/named.rs", "mod child; pub struct C; use crate::d::D;"),
        ("x/child.rs", ""),
        ("x/d.rs", "pub struct D; use crate::b::z::N;"),
        ("x/e.rs", "pub struct E;"),
    ]);
    let read = |path: &Path| Some((*files.get(path.to_str().unwrap())?).to_owned());
    let edges = Crate::read(Path::new("x/lib.rs"), &read).imports();
    let expected = [
        "x/a/child.rs imports x/a.rs (super::A)",
        "x/a.rs imports x/a/child.rs (child::T)",
        "x/b/y.rs imports x/named.rs (crate::c::C)",
        "x/b/z.rs imports x/d.rs (super::super::d::D)",
        "x/d.rs imports x/b/y.rs (crate::b::z::N)",
        "x/d.rs imports x/b/z.rs (crate::b::z::N)",
        "x/named.rs imports x/d.rs (crate::d::D)",
    ];
    assert_eq!(circles(edges), expected);
}

fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// Returns the root file of every crate in the workspace, including test crates.
fn crate_roots() -> Vec<PathBuf> {
    let arguments = [
        "metadata",
        "--no-deps",
        "--offline",
        "--format-version",
        "1",
    ];
    let mut metadata = Command::new(env!("CARGO"));
    let metadata = metadata.args(arguments).current_dir(workspace()).output();
    let metadata: serde_json::Value = serde_json::from_slice(&metadata.unwrap().stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap().iter();
    let targets = packages.flat_map(|package| package["targets"].as_array().unwrap());
    targets
        .map(|target| target["src_path"].as_str().unwrap().into())
        .collect()
}

/// Pairs of files, the first of which imports from the second, with one path that does so.
type Imports = BTreeMap<(PathBuf, PathBuf), String>;

fn imports(root: &Path) -> Imports {
    Crate::read(root, &|path| fs::read_to_string(path).ok()).imports()
}

/// Describes the imports that are part of a circle.
fn circles(mut imports: Imports) -> Vec<String> {
    // Files that import nothing, or that nothing imports, are in no circle.
    loop {
        let count = imports.len();
        let importing: BTreeSet<_> = imports.keys().map(|(from, _)| from.clone()).collect();
        let imported: BTreeSet<_> = imports.keys().map(|(_, to)| to.clone()).collect();
        imports.retain(|(from, to), _| importing.contains(to) && imported.contains(from));
        if imports.len() == count {
            break;
        }
    }
    let is_circle = |((from, to), _): &(&(PathBuf, PathBuf), &String)| {
        let (mut reached, mut next) = (BTreeSet::new(), vec![to]);
        while let Some(file) = next.pop() {
            if reached.insert(file) {
                let onward = imports.keys().filter(|(from, _)| from == file);
                next.extend(onward.map(|(_, to)| to));
            }
        }
        reached.contains(from)
    };
    imports.iter().filter(is_circle).map(describe).collect()
}

fn describe(((from, to), path): (&(PathBuf, PathBuf), &String)) -> String {
    let name = |file: &PathBuf| {
        file.strip_prefix(workspace())
            .unwrap_or(file)
            .display()
            .to_string()
    };
    format!("{} imports {} ({path})", name(from), name(to))
}

/// The segments of a path.
type Segments = Vec<String>;

/// The modules of one crate.
struct Crate<'a> {
    read: &'a dyn Fn(&Path) -> Option<String>,
    /// By path, without `crate`. Conditional compilation can choose between several files.
    modules: BTreeMap<Segments, Vec<Module>>,
    /// The names of `extern crate self as …`.
    aliases: BTreeSet<String>,
    /// The files that define each `macro_rules!` macro.
    macros: BTreeMap<String, BTreeSet<PathBuf>>,
}

/// A module, in a file or inline.
#[derive(Default)]
struct Module {
    file: PathBuf,
    items: BTreeSet<String>,
    /// The names that `use` lines bring in, with their paths.
    uses: Vec<(String, Segments)>,
    /// The paths of `use …::*` lines.
    globs: Vec<Segments>,
    /// The paths in the code. `name!` is a macro call.
    paths: BTreeSet<Segments>,
}

impl<'a> Crate<'a> {
    fn read(root: &Path, read: &'a dyn Fn(&Path) -> Option<String>) -> Self {
        let mut modules = Crate {
            read,
            modules: BTreeMap::new(),
            aliases: BTreeSet::new(),
            macros: BTreeMap::new(),
        };
        modules.read_file(root, root.parent().unwrap(), &[]);
        modules
    }

    /// Reads a file, if it exists. `folder` contains the files of its child modules.
    fn read_file(&mut self, file: &Path, folder: &Path, path: &[String]) {
        if let Some(text) = (self.read)(file) {
            let tokens = text
                .parse()
                .unwrap_or_else(|error| panic!("{}: {error}", file.display()));
            self.read_module(file, folder, path, tokens);
        }
    }

    fn read_module(&mut self, file: &Path, folder: &Path, path: &[String], tokens: TokenStream) {
        let mut module = Module {
            file: file.to_owned(),
            ..Module::default()
        };
        let first: Vec<_> = tokens.clone().into_iter().take(3).collect();
        if first.first().is_some_and(|it| is_sign(it, '#')) && starts_test_code(&first[1..]) {
            return;
        }
        self.read_items(&mut module, folder, path, tokens);
        self.modules.entry(path.to_vec()).or_default().push(module);
    }

    fn read_items(
        &mut self,
        module: &mut Module,
        folder: &Path,
        path: &[String],
        tokens: TokenStream,
    ) {
        for item in split_items(tokens) {
            let attributes = item.windows(2).filter_map(|pair| match pair {
                [TokenTree::Punct(sign), TokenTree::Group(group)]
                    if matches!(sign.as_char(), '#' | '!') =>
                {
                    Some(group.stream())
                }
                _ => None,
            });
            if attributes.clone().any(is_only_for_tests) {
                continue;
            }
            let words = words(&item);
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            match (&words[..], item.last()) {
                (["mod", name, ..], last) => {
                    let child = [path, &[(*name).to_owned()]].concat();
                    let below = folder.join(name);
                    if let Some(TokenTree::Group(body)) = last {
                        self.read_module(&module.file, &below, &child, body.stream());
                        continue;
                    }
                    self.read_file(&below.with_extension("rs"), &below, &child);
                    self.read_file(&below.join("mod.rs"), &below, &child);
                    let attributes = attributes.map(|it| it.to_string()).collect::<String>();
                    for named in attributes.split("path = \"").skip(1) {
                        let mut file = module.file.clone();
                        file.pop();
                        for part in Path::new(named.split('"').next().unwrap()) {
                            if part == ".." {
                                file.pop();
                            } else {
                                file.push(part);
                            }
                        }
                        // The children of such a file are beside it.
                        self.read_file(&file, file.parent().unwrap(), &child);
                    }
                }
                (["extern", "crate", "self", "as", name], _) => {
                    self.aliases.insert((*name).to_owned());
                }
                (["macro_rules", name], _) => {
                    module.items.insert((*name).to_owned());
                    let files = self.macros.entry(format!("{name}!")).or_default();
                    files.insert(module.file.clone());
                    module.add_paths(&item, false);
                }
                // The items of a macro call or of an `extern` block.
                ([_] | [_, "extern"], Some(TokenTree::Group(body))) => {
                    module.add_paths(&item[..item.len() - 1], false);
                    self.read_items(module, folder, path, body.stream());
                }
                _ => {
                    let defined = words.windows(2).filter(|pair| is_definition(pair[0]));
                    module.items.extend(defined.map(|pair| pair[1].to_owned()));
                    module.add_paths(&item, false);
                }
            }
        }
    }

    fn imports(&self) -> Imports {
        let mut imports = Imports::new();
        for (from, module) in self
            .modules
            .iter()
            .flat_map(|(path, all)| all.iter().map(move |it| (path, it)))
        {
            for path in &module.paths {
                let files = match self.macros.get(&path[0]) {
                    Some(files) if files.contains(&module.file) => continue,
                    Some(files) => files.iter().map(PathBuf::as_path).collect(),
                    None => self.resolve(from, path, false, &mut BTreeSet::new()),
                };
                for file in files.into_iter().filter(|file| *file != module.file) {
                    let edge = (module.file.clone(), file.to_owned());
                    imports.entry(edge).or_insert_with(|| path.join("::"));
                }
            }
        }
        imports
    }

    /// Returns the files that define the item of a path in module `from`. There are none for
    /// a module, a local name and an item of another crate.
    ///
    /// An item that is not found, such as one generated by a macro, is taken to be in the
    /// file of the module that the path names, unless `is_exact`.
    fn resolve(
        &self,
        from: &[String],
        path: &[String],
        is_exact: bool,
        seen: &mut BTreeSet<(Segments, Segments)>,
    ) -> BTreeSet<&Path> {
        const MAX_SEGMENTS: usize = 12;
        let mut files = BTreeSet::new();
        if path.len() > MAX_SEGMENTS || !seen.insert((from.to_vec(), path.to_vec())) {
            return files;
        }
        let (mut at, mut rest) = (from.to_vec(), path);
        while let [name, after @ ..] = rest {
            let child = [&at[..], std::slice::from_ref(name)].concat();
            let is_item =
                after.is_empty() && self.places(&at).any(|here| here.items.contains(name));
            match name.as_str() {
                "crate" => at.clear(),
                alias if self.aliases.contains(alias) => at.clear(),
                "self" => {}
                "super" => drop(at.pop()),
                _ if self.modules.contains_key(&child) && !is_item => at = child,
                _ => break,
            }
            rest = after;
        }
        let [name, after @ ..] = rest else {
            return files;
        };
        let mut is_known = false;
        for here in self.places(&at) {
            if here.items.contains(name) {
                files.insert(&here.file);
            }
            for (_, used) in here.uses.iter().filter(|(known, _)| known == name) {
                is_known = true;
                files.extend(self.resolve(&at, &[used, after].concat(), is_exact, seen));
            }
        }
        if files.is_empty() && !is_known {
            for glob in self.places(&at).flat_map(|here| &here.globs) {
                files.extend(self.resolve(&at, &[glob, rest].concat(), true, seen));
            }
        }
        if files.is_empty() && !is_known && !is_exact && rest.len() < path.len() {
            files.extend(self.places(&at).map(|here| here.file.as_path()));
        }
        files
    }

    fn places(&self, module: &[String]) -> impl Iterator<Item = &Module> {
        self.modules.get(module).into_iter().flatten()
    }
}

impl Module {
    /// Adds the paths in the code, and the names that `use` lines bring in.
    fn add_paths(&mut self, tokens: &[TokenTree], is_attribute: bool) {
        let mut at = 0;
        while let Some(token) = tokens.get(at) {
            at += 1;
            match token {
                TokenTree::Ident(word) if word == "use" => {
                    let is_private = match &tokens[..at - 1] {
                        [.., TokenTree::Ident(before), TokenTree::Group(scope)] => {
                            before != "pub" || scope.stream().to_string() == "self"
                        }
                        [.., TokenTree::Ident(before)] => before != "pub",
                        _ => true,
                    };
                    let mut rest = tokens[at..].iter();
                    let end = rest
                        .position(|it| is_sign(it, ';'))
                        .map_or(at, |length| at + length);
                    let tree = tokens[at..end].iter().cloned().collect();
                    if let Ok(tree) = syn::parse2(tree) {
                        self.add_use(&tree, Vec::new(), is_private);
                        at = end;
                    }
                }
                TokenTree::Punct(sign)
                    if sign.as_char() == '#' && starts_test_code(&tokens[at..]) =>
                {
                    let is_end = |it: &TokenTree| is_sign(it, ';') || is_body(it);
                    let length = tokens[at..].iter().position(is_end);
                    at = length.map_or(tokens.len(), |length| at + length + 1);
                }
                TokenTree::Ident(word) => {
                    let is_member = at > 1
                        && is_sign(&tokens[at - 2], '.')
                        && !(at > 2 && is_sign(&tokens[at - 3], '.'));
                    let mut path = vec![text(word)];
                    while let [colon, second, TokenTree::Ident(word), ..] = &tokens[at..]
                        && is_sign(colon, ':')
                        && is_sign(second, ':')
                    {
                        path.push(text(word));
                        at += 3;
                    }
                    if let [sign, TokenTree::Group(_), ..] = &tokens[at..]
                        && is_sign(sign, '!')
                    {
                        self.paths
                            .insert(vec![format!("{}!", path[path.len() - 1])]);
                    }
                    let is_name =
                        path.len() == 1 && tokens.get(at).is_some_and(|it| is_sign(it, ':'));
                    if !is_member && !is_name {
                        self.paths.insert(path);
                    }
                }
                TokenTree::Group(group) => {
                    let inner: Vec<_> = group.stream().into_iter().collect();
                    if matches!(inner.first(), Some(TokenTree::Ident(word)) if word == "doc")
                        && group.delimiter() == Delimiter::Bracket
                    {
                        continue;
                    }
                    let is_attribute = is_attribute
                        || at > 1 && is_sign(&tokens[at - 2], '#')
                        || at > 2 && is_sign(&tokens[at - 2], '!') && is_sign(&tokens[at - 3], '#');
                    self.add_paths(&inner, is_attribute);
                }
                // The path of an item in a string, as serde takes it.
                TokenTree::Literal(literal) if is_attribute => {
                    let literal = literal.to_string();
                    let is_with = matches!(&tokens[..at - 1], [.., TokenTree::Ident(key), _] if key.to_string().ends_with("with"));
                    if (is_with || literal.contains("::"))
                        && let Ok(path) = syn::parse_str::<syn::Path>(literal.trim_matches('"'))
                    {
                        let path = path.segments.iter().map(|segment| text(&segment.ident));
                        // It may be a module.
                        self.paths.insert(path.chain(["*".to_owned()]).collect());
                    }
                }
                TokenTree::Punct(_) | TokenTree::Literal(_) => {}
            }
        }
    }

    fn add_use(&mut self, tree: &UseTree, mut path: Segments, is_private: bool) {
        match tree {
            UseTree::Path(part) => {
                path.push(text(&part.ident));
                self.add_use(&part.tree, path, is_private);
            }
            UseTree::Group(group) => {
                for tree in &group.items {
                    self.add_use(tree, path.clone(), is_private);
                }
            }
            UseTree::Glob(_) => {
                if is_private {
                    let star = "*".to_owned();
                    self.paths.insert([&path[..], &[star]].concat());
                }
                self.globs.push(path);
            }
            UseTree::Name(part) => self.bring_in(&part.ident, None, path, is_private),
            UseTree::Rename(part) => {
                self.bring_in(&part.ident, Some(&part.rename), path, is_private);
            }
        }
    }

    fn bring_in(
        &mut self,
        name: &Ident,
        renamed: Option<&Ident>,
        mut path: Segments,
        is_private: bool,
    ) {
        if name != "self" {
            path.push(text(name));
        }
        if is_private {
            self.paths.insert(path.clone());
        }
        let name = renamed.map(text).or_else(|| path.last().cloned());
        self.uses.extend(name.map(|name| (name, path)));
    }
}

/// Splits the tokens of a module into its items. Each ends with `;` or a body in braces.
fn split_items(tokens: TokenStream) -> Vec<Vec<TokenTree>> {
    let mut items = vec![Vec::new()];
    for token in tokens {
        let item = items.last_mut().unwrap();
        let is_end = is_sign(&token, ';') || is_body(&token) && !ends_with_semicolon(item);
        item.push(token);
        if is_end {
            items.push(Vec::new());
        }
    }
    items
}

fn ends_with_semicolon(item: &[TokenTree]) -> bool {
    let words = words(item);
    let mut words = words.iter().map(String::as_str);
    match words.next() {
        Some("use" | "static" | "type") => true,
        Some("const") => !matches!(words.next(), Some("async" | "extern" | "fn" | "unsafe")),
        _ => false,
    }
}

/// Returns the words of an item outside of brackets, without `pub` and lifetimes.
fn words(item: &[TokenTree]) -> Vec<String> {
    let words = item
        .iter()
        .enumerate()
        .filter_map(|(index, token)| match token {
            TokenTree::Ident(word) if word != "pub" => {
                let is_lifetime = index > 0 && is_sign(&item[index - 1], '\'');
                (!is_lifetime).then(|| text(word))
            }
            _ => None,
        });
    words.collect()
}

/// Returns whether the name of an item follows this word.
fn is_definition(word: &str) -> bool {
    [
        "const", "enum", "fn", "static", "struct", "trait", "type", "union",
    ]
    .contains(&word)
}

fn is_sign(token: &TokenTree, sign: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == sign)
}

fn is_body(token: &TokenTree) -> bool {
    matches!(token, TokenTree::Group(group) if group.delimiter() == Delimiter::Brace)
}

/// Returns whether the rest of an attribute, after its `#`, begins code for tests only.
fn starts_test_code(rest: &[TokenTree]) -> bool {
    match rest {
        [TokenTree::Group(group), ..] => is_only_for_tests(group.stream()),
        [sign, TokenTree::Group(group), ..] if is_sign(sign, '!') => {
            is_only_for_tests(group.stream())
        }
        _ => false,
    }
}

fn text(word: &Ident) -> String {
    let text = word.to_string();
    text.strip_prefix("r#").unwrap_or(&text).to_owned()
}

/// Returns whether an attribute removes its item from every build but those of tests.
fn is_only_for_tests(attribute: TokenStream) -> bool {
    match syn::parse2(attribute) {
        Ok(Meta::List(list)) if list.path.is_ident("cfg") => !can_be(true, &Meta::List(list)),
        _ => false,
    }
}

/// Returns whether a condition can have this value in a build that is no test.
fn can_be(value: bool, condition: &Meta) -> bool {
    match condition {
        Meta::List(list) => {
            let parts = list.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated);
            let parts = parts.unwrap_or_default();
            if list.path.is_ident("not") {
                return parts.iter().any(|part| can_be(!value, part));
            }
            if list.path.is_ident("any") == value {
                parts.iter().any(|part| can_be(value, part))
            } else {
                parts.iter().all(|part| can_be(value, part))
            }
        }
        name => {
            !value
                || !["doctest", "loom", "test"]
                    .iter()
                    .any(|it| name.path().is_ident(it))
        }
    }
}

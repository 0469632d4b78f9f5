//! What tidy needs to know of one source file, found by parsing it.

use anyhow::{Context, Result};
use proc_macro2::Span;
use std::collections::BTreeMap;
use std::path::Path;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};

/// One file of Rust.
#[derive(Debug, Default)]
pub(super) struct SourceFile {
    /// Relative to the project's folder.
    pub(super) path: String,
    /// The crate's folder name.
    pub(super) room: String,
    /// Lines, test modules left out.
    pub(super) lines: usize,
    pub(super) has_module_doc: bool,
    pub(super) uses_unsafe: bool,
    /// Name and lines.
    pub(super) functions: Vec<(String, usize)>,
    /// Name and methods.
    pub(super) traits: Vec<(String, usize)>,
    /// Name and fields.
    pub(super) structs: Vec<(String, usize)>,
    /// Type and methods in this file's `impl Type` blocks.
    pub(super) inherent_methods: BTreeMap<String, usize>,
    /// Other drivers that a driver's file imports.
    pub(super) sibling_drivers: Vec<String>,
}

impl SourceFile {
    /// Documents whose members other programs fix: Docker's, the OCI's, containerd's.
    pub(super) fn is_wire_document(&self) -> bool {
        const DOCUMENTS: [&str; 6] = [
            "crates/api-types/",
            "crates/oci/",
            "crates/task/src/messages/",
            "crates/task/src/services/",
            "crates/engine/src/container/record.rs", // config.v2.json
            "crates/daemon/src/document.rs",         // daemon.json
        ];
        DOCUMENTS.iter().any(|place| self.path.starts_with(place))
    }
}

/// All files of the project that are not tests.
pub(super) fn read_tree(root: &Path) -> Result<Vec<SourceFile>> {
    let mut files = Vec::new();
    for top in ["crates", "xtask", "conformance", "fuzz"] {
        walk(root, &root.join(top), &mut files)?;
    }
    Ok(files)
}

fn walk(root: &Path, directory: &Path, files: &mut Vec<SourceFile>) -> Result<()> {
    let entries = std::fs::read_dir(directory).with_context(|| format!("read {}", directory.display()))?;
    for entry in entries {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if path.is_dir() {
            // `tests/` beside or below `src/` holds tests only; so do tests.rs, and testing.rs with what tests share.
            if !matches!(name, "tests" | "target" | "benches" | "examples") {
                walk(root, &path, files)?;
            }
        } else if path.extension().is_some_and(|extension| extension == "rs")
            && !matches!(name, "tests.rs" | "testing.rs")
        {
            files.push(read_file(root, &path)?);
        }
    }
    Ok(())
}

fn read_file(root: &Path, path: &Path) -> Result<SourceFile> {
    let text = super::read(path)?;
    let relative = path.strip_prefix(root).unwrap_or(path).to_string_lossy().into_owned();
    let syntax = syn::parse_file(&text).with_context(|| format!("parse {relative}"))?;
    let mut parts = relative.split('/');
    let top = parts.next().unwrap_or_default();
    let room = if top == "crates" {
        parts.next().unwrap_or_default()
    } else {
        top
    };
    let mut reader = Reader {
        file: SourceFile {
            path: relative.clone(),
            room: room.to_owned(),
            has_module_doc: syntax.attrs.iter().any(|attribute| attribute.path().is_ident("doc")),
            ..SourceFile::default()
        },
        test_lines: 0,
        driver: driver_name(&relative),
        drivers: path
            .ancestors()
            .find(|place| place.ends_with("drivers"))
            .map(drivers_in)
            .unwrap_or_default(),
    };
    reader.visit_file(&syntax);
    reader.file.lines = text.lines().count() - reader.test_lines;
    Ok(reader.file)
}

/// `overlay2` for `crates/snapshot/src/drivers/overlay2/mounts.rs`.
fn driver_name(path: &str) -> Option<String> {
    let (_, rest) = path.split_once("/drivers/")?;
    let name = rest.split('/').next()?.trim_end_matches(".rs");
    (name != "mod").then(|| name.to_owned())
}

/// The drivers that lie in a `drivers` folder.
fn drivers_in(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| entry.file_name().to_string_lossy().trim_end_matches(".rs").to_owned())
        .collect()
}

struct Reader {
    file: SourceFile,
    test_lines: usize,
    driver: Option<String>,
    drivers: Vec<String>,
}

fn lines_of(span: Span) -> usize {
    span.end().line - span.start().line + 1
}

fn is_test_only(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute.parse_args::<syn::Meta>().is_ok_and(|meta| match meta {
                syn::Meta::Path(path) => path.is_ident("test"),
                _ => false,
            })
    })
}

fn type_name(ty: &syn::Type) -> Option<String> {
    match ty {
        syn::Type::Path(path) => path.path.segments.last().map(|segment| segment.ident.to_string()),
        _ => None,
    }
}

impl<'ast> Visit<'ast> for Reader {
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if is_test_only(&item.attrs) {
            self.test_lines += lines_of(item.span());
            return;
        }
        visit::visit_item_mod(self, item);
    }

    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.file.uses_unsafe |= item.sig.unsafety.is_some();
        self.file.functions.push((
            item.sig.ident.to_string(),
            lines_of(item.sig.span()) + lines_of(item.block.span()) - 1,
        ));
        visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.file.uses_unsafe |= item.sig.unsafety.is_some();
        self.file.functions.push((
            item.sig.ident.to_string(),
            lines_of(item.sig.span()) + lines_of(item.block.span()) - 1,
        ));
        visit::visit_impl_item_fn(self, item);
    }

    fn visit_item_trait(&mut self, item: &'ast syn::ItemTrait) {
        let methods = item
            .items
            .iter()
            .filter(|item| matches!(item, syn::TraitItem::Fn(_)))
            .count();
        self.file.traits.push((item.ident.to_string(), methods));
        visit::visit_item_trait(self, item);
    }

    fn visit_item_struct(&mut self, item: &'ast syn::ItemStruct) {
        self.file.structs.push((item.ident.to_string(), item.fields.len()));
    }

    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        if item.trait_.is_none()
            && let Some(name) = type_name(&item.self_ty)
        {
            let methods = item
                .items
                .iter()
                .filter(|item| matches!(item, syn::ImplItem::Fn(_)))
                .count();
            *self.file.inherent_methods.entry(name).or_default() += methods;
        }
        self.file.uses_unsafe |= item.unsafety.is_some();
        visit::visit_item_impl(self, item);
    }

    fn visit_expr_unsafe(&mut self, item: &'ast syn::ExprUnsafe) {
        self.file.uses_unsafe = true;
        visit::visit_expr_unsafe(self, item);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        self.note_driver(path.segments.iter().map(|segment| segment.ident.to_string()));
        visit::visit_path(self, path);
    }

    fn visit_use_path(&mut self, item: &'ast syn::UsePath) {
        if item.ident == "drivers"
            && let syn::UseTree::Path(next) = &*item.tree
        {
            self.note_driver(["drivers".to_owned(), next.ident.to_string()].into_iter());
        }
        visit::visit_use_path(self, item);
    }
}

impl Reader {
    fn note_driver(&mut self, names: impl Iterator<Item = String>) {
        let Some(own) = &self.driver else { return };
        let names: Vec<String> = names.collect();
        for pair in names.windows(2) {
            if pair[0] == "drivers" && pair[1] != *own && self.drivers.contains(&pair[1]) {
                self.file.sibling_drivers.push(pair[1].clone());
            }
        }
    }
}

//! Documents that begin with `$extends`: they are merged over templates, whose parameters `$with` gives.

use std::collections::HashMap;
use std::sync::Arc;

use super::expression::{Expression, Part as Piece, Reference};
use super::merged::{Merged, Part};
use super::resolver::{Resolver, text_of};
use super::{Found, FoundEntry, Reason, Unresolved};
use crate::model::{Path, Value};
use crate::snapshot::{EXTENDS, Entry, Node, Object, Refers, WITH};

/// How many templates an object may extend.
const MOST_TEMPLATES: usize = 32;

impl Resolver<'_> {
    /// An object merged over the templates that its layers name. Those of a layer come after what the layer itself
    /// has, the last named first; then comes the next layer.
    pub(super) fn expand(&mut self, object: Merged, at: &Path) -> Result<Merged, Unresolved> {
        let extends = |part: &Part| part.template.is_none() && part.object.child(EXTENDS).is_some();
        if !object.parts().iter().any(extends) {
            return Ok(object);
        }
        let mut parts = Vec::new();
        let mut parameters = None;
        for part in object.parts() {
            parts.push(part.clone());
            if !extends(part) {
                continue;
            }
            let names = self.template_names(part, at)?;
            for name in names.into_iter().rev() {
                let template = self.template(&name, at)?;
                let parameters = match &parameters {
                    Some(parameters) => parameters,
                    None => parameters.insert(self.parameters(&object)),
                };
                let object = self.filled(&template, parameters, at)?;
                parts.push(Part { layer: part.layer, object, template: Some(name.as_str().into()) });
            }
        }
        Ok(object.expanded(parts))
    }

    fn template_names(&self, part: &Part, at: &Path) -> Result<Vec<Path>, Unresolved> {
        let wrong = |text: &str| self.fail_at(at, Reason::Template(text.to_owned()));
        let Some(Node::Entry(entry)) = part.object.child(EXTENDS) else {
            return Err(wrong("`$extends` is a list of paths, and here it is an object"));
        };
        let items = match entry.value() {
            Value::Array(items) if items.len() <= MOST_TEMPLATES => items,
            Value::Array(_) => {
                return Err(wrong(&format!("`$extends` names more than {MOST_TEMPLATES} templates")));
            }
            Value::Null => Vec::new(),
            one => vec![one],
        };
        let paths = items.iter().map(|item| match item {
            Value::String(text) if text.starts_with('/') => text.parse::<Path>().ok(),
            _ => None,
        });
        let paths: Option<Vec<Path>> = paths.collect();
        paths.ok_or_else(|| wrong("`$extends` is a list of paths of templates, such as [/templates/service]"))
    }

    /// What stands at the path of a template, itself expanded: entries as they are written, by their path in it.
    fn template(&mut self, name: &Path, at: &Path) -> Result<Arc<[(Path, FoundEntry)]>, Unresolved> {
        if let Some(known) = self.templates.get(name) {
            return Ok(known.clone());
        }
        if self.extending.contains(name) || name == at {
            let message = format!("the template {name} extends itself");
            return Err(self.fail_at(at, Reason::Template(message)));
        }
        self.descend(at)?;
        self.extending.push(name.clone());
        let found = self.find_part(name);
        let gathered = match found {
            Ok(Some(Found::Object(object))) => {
                let mut entries = Vec::new();
                self.gather(object, name, name, &mut entries).map(|()| entries)
            }
            Ok(_) => {
                let message = format!("`$extends` names {name}, where no object stands");
                Err(self.fail_at(at, Reason::Template(message)))
            }
            Err(error) => Err(error),
        };
        self.extending.pop();
        self.ascend();
        let entries: Arc<[(Path, FoundEntry)]> = gathered?.into();
        self.templates.insert(name.clone(), entries.clone());
        Ok(entries)
    }

    fn gather(
        &mut self,
        object: Merged,
        at: &Path,
        template: &Path,
        entries: &mut Vec<(Path, FoundEntry)>,
    ) -> Result<(), Unresolved> {
        for (name, found) in object.members() {
            let Ok(path) = at.child(&name) else { continue };
            match found {
                Found::Entry(found) => {
                    self.spend(found.entry.json().len(), template)?;
                    entries.extend(path.strip_prefix(template).map(|within| (within, found)));
                }
                Found::Object(inner) => {
                    let inner = if inner.is_derived() { self.expand(inner, &path)? } else { inner };
                    self.gather(inner, &path, template, entries)?;
                }
            }
        }
        Ok(())
    }

    /// What the layers give as parameters, the nearest first.
    fn parameters(&self, object: &Merged) -> HashMap<Arc<str>, Value> {
        let Some(Found::Object(with)) = object.unseen().member(WITH) else { return HashMap::new() };
        let value = |found: Found| match found {
            Found::Entry(found) => found.entry.value(),
            Found::Object(object) => {
                let mut json = String::new();
                object.write_json(false, &mut json);
                Value::from_json(&json).unwrap_or(Value::Null)
            }
        };
        with.members().map(|(name, found)| (name, value(found))).collect()
    }

    /// The tree of a template, its parameters filled in.
    fn filled(
        &mut self,
        template: &[(Path, FoundEntry)],
        parameters: &HashMap<Arc<str>, Value>,
        at: &Path,
    ) -> Result<Arc<Object>, Unresolved> {
        let mut filled = Vec::with_capacity(template.len());
        for (path, found) in template {
            let entry = &found.entry;
            let entry = if entry.refers() == Refers::No {
                entry.clone()
            } else {
                let value = self.fill(entry.value(), parameters, at)?;
                let whole = Entry::new(&value, entry.file().clone());
                self.spend(whole.json().len(), at)?;
                Arc::new(match entry.stamp() {
                    Some(stamp) => whole.stamped(stamp.clone()),
                    None => whole,
                })
            };
            filled.push((path.clone(), entry));
        }
        Ok(Object::of(filled))
    }

    fn fill(
        &mut self,
        value: Value,
        parameters: &HashMap<Arc<str>, Value>,
        at: &Path,
    ) -> Result<Value, Unresolved> {
        Ok(match value {
            Value::String(text) => self.fill_text(&text, parameters, at)?,
            Value::Array(items) => Value::Array(
                items.into_iter().map(|item| self.fill(item, parameters, at)).collect::<Result<_, _>>()?,
            ),
            Value::Object(members) => Value::Object(
                members
                    .into_iter()
                    .map(|(name, member)| Ok((name, self.fill(member, parameters, at)?)))
                    .collect::<Result<_, Unresolved>>()?,
            ),
            other => other,
        })
    }

    /// Other references stay as they are written, for what they name is of the view and not of the template.
    fn fill_text(
        &mut self,
        text: &str,
        parameters: &HashMap<Arc<str>, Value>,
        at: &Path,
    ) -> Result<Value, Unresolved> {
        let Ok(expression) = Expression::parse(text) else { return Ok(Value::from(text)) };
        if let Some(Reference::With(name)) = expression.whole() {
            let unfilled = || Value::from(text);
            return Ok(parameters.get(*name).cloned().unwrap_or_else(unfilled));
        }
        if !expression.references().any(|reference| matches!(reference, Reference::With(_))) {
            return Ok(Value::from(text));
        }
        let mut filled = String::with_capacity(text.len());
        for part in &expression.parts {
            match part {
                // An escaped `${` is still to be read once more.
                Piece::Text(text) => self.push_piece(&mut filled, &text.replace("${", "$${"), at)?,
                Piece::Reference(Reference::With(name), written) => match parameters.get(*name) {
                    None => self.push_piece(&mut filled, written, at)?,
                    Some(value) => {
                        let text = text_of(value).map_err(|kind| {
                            self.fail_at(at, Reason::NoText { reference: (*written).to_owned(), kind })
                        })?;
                        self.spend(text.len(), at)?;
                        // What it refers to, it refers to by itself.
                        Expression::parse(&text).map_err(|error| self.fail_at(at, error.into()))?;
                        self.push_piece(&mut filled, &text, at)?;
                    }
                },
                Piece::Reference(_, written) => self.push_piece(&mut filled, written, at)?,
            }
        }
        Ok(Value::String(filled))
    }

    /// Adds to a text that is read once more. Two pieces, neither of which refers to anything, must not do so together:
    /// whoever wrote them was asked for what each of them names.
    fn push_piece(&self, filled: &mut String, piece: &str, at: &Path) -> Result<(), Unresolved> {
        if filled.ends_with('$') && piece.starts_with('{') {
            let message = "a parameter and what follows it would be a reference together".to_owned();
            return Err(self.fail_at(at, Reason::Template(message)));
        }
        filled.push_str(piece);
        Ok(())
    }
}

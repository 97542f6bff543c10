use std::collections::HashSet;

use super::expression::{Expression, Part, Reference};
use super::{Found, FoundEntry, Resolver};
use crate::model::{Path, Value};
use crate::snapshot::VARIABLES;

/// How many references of one value are told.
pub const MOST_FOLLOWED: usize = 100;

/// A reference on the way from a value to what it comes to.
#[derive(Debug, Clone)]
pub struct Followed {
    /// The value that holds it.
    pub of: Path,
    /// How it is written: `${DB_HOST:localhost}`.
    pub written: String,
    /// What it names.
    pub leads: Leads,
}

/// Where a reference leads.
#[derive(Debug, Clone)]
pub enum Leads {
    /// To a variable or a value that the view shows.
    Value {
        /// Where it stands.
        path: Path,
        /// What stands there, as it is written.
        found: Found,
    },
    /// To a variable of the server's process.
    Process,
    /// To the default beside it.
    Default(String),
    /// To a secret, which is not read.
    Secret(String),
    /// To a parameter that nothing gives here.
    Parameter,
    /// Nowhere.
    Nothing,
}

impl Resolver<'_> {
    /// The references in an entry, and those in the values that they lead to, in the order in which they are met; the
    /// first so many. Where templates or references cannot be read, what is known until there.
    pub fn followed(&mut self, path: &Path, found: &FoundEntry) -> Vec<Followed> {
        let mut all = Vec::new();
        let mut met = HashSet::from([path.clone()]);
        let mut waiting = vec![(path.clone(), found.clone())];
        while let Some((of, found)) = waiting.pop() {
            if !self.is_followed(&of, &found) {
                continue;
            }
            let mut next = Vec::new();
            self.follow_value(&of, &found.entry.value(), &mut all);
            for Followed { leads, .. } in all.iter().filter(|followed| followed.of == of) {
                if let Leads::Value { path, found: Found::Entry(entry) } = leads
                    && met.insert(path.clone())
                {
                    next.push((path.clone(), entry.clone()));
                }
            }
            // The first of them is the next.
            waiting.extend(next.into_iter().rev());
            if all.len() >= MOST_FOLLOWED {
                break;
            }
        }
        all
    }

    fn follow_value(&mut self, of: &Path, value: &Value, all: &mut Vec<Followed>) {
        match value {
            Value::String(text) => self.follow_text(of, text, all),
            Value::Array(items) => items.iter().for_each(|item| self.follow_value(of, item, all)),
            Value::Object(members) => {
                members.iter().for_each(|(_, member)| self.follow_value(of, member, all));
            }
            _ => {}
        }
    }

    fn follow_text(&mut self, of: &Path, text: &str, all: &mut Vec<Followed>) {
        let Ok(expression) = Expression::parse(text) else { return };
        for part in &expression.parts {
            let Part::Reference(reference, written) = part else { continue };
            if all.len() >= MOST_FOLLOWED {
                return;
            }
            let leads = match reference {
                Reference::Path(path) => self.leads_to(path).unwrap_or(Leads::Nothing),
                Reference::Secret(name) => Leads::Secret((*name).to_owned()),
                Reference::With(_) => Leads::Parameter,
                Reference::Variable { name, default } => {
                    let path = VARIABLES.parse::<Path>().and_then(|variables| variables.child(name)).ok();
                    let process = || self.process_variable(name).map(|_| Leads::Process);
                    let default = || default.map(|text| Leads::Default(text.to_owned()));
                    let known = process().or_else(default).unwrap_or(Leads::Nothing);
                    path.and_then(|path| self.leads_to(&path)).unwrap_or(known)
                }
            };
            all.push(Followed { of: of.clone(), written: (*written).to_owned(), leads });
        }
    }

    fn leads_to(&mut self, path: &Path) -> Option<Leads> {
        let found = self.find(path).ok().flatten()?;
        Some(Leads::Value { path: path.clone(), found })
    }
}

//! What a schema may cost at most: how many steps one value within a value may take. JSON Schema has no bound of its own:
//! a few references to references look at the same value a billion times.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Map, Value};

/// How many subschemas a schema may have.
const MOST_NODES: usize = 50_000;

/// How many subschemas may be about the same value, one within the other: each takes a part of the stack.
const MOST_HEIGHT: usize = 40;

/// How deep values are.
const MOST_DEPTH: usize = 64;

/// Keywords whose subschemas are about the same value; below them a schema, a list of schemas, or schemas by name.
const IN_PLACE: [&str; 8] = ["allOf", "anyOf", "oneOf", "not", "if", "then", "else", "dependentSchemas"];

/// Keywords whose subschemas are about members that `properties` does not name, or about names.
const OF_MEMBERS: [&str; 4] =
    ["patternProperties", "additionalProperties", "unevaluatedProperties", "propertyNames"];

/// Keywords whose subschemas are about every item of a list.
const OF_ITEMS: [&str; 4] = ["items", "prefixItems", "contains", "unevaluatedItems"];

/// Steps for a reference to a document that is not here: the drafts of JSON Schema are known to the library.
const OF_OTHER_DOCUMENTS: u64 = 1_000;

/// What a member that no `properties` names is called here: no name of a member is so long.
const OTHERS: &str = "\u{0}others";
/// The same of the items of a list.
const ITEMS: &str = "\u{0}items";

/// How many steps a value takes for each value within it, at most; why the schema cannot be used, where it cannot.
pub(super) fn steps(schema: &Value) -> Result<u64, String> {
    let graph = Graph::of(schema)?;
    let mut whole = vec![None; graph.nodes.len()];
    for index in 0..graph.nodes.len() {
        graph.close(index, &mut Vec::new(), &mut whole)?;
    }
    let whole: Vec<Whole> = whole.into_iter().flatten().collect();
    let mut steps: Vec<u64> = vec![0; whole.len()];
    for _ in 0..MOST_DEPTH {
        let next: Vec<u64> = whole.iter().map(|node| node.steps_with(&steps)).collect();
        if next == steps {
            break;
        }
        steps = next;
    }
    Ok(steps.first().copied().unwrap_or(0))
}

/// How many values there are in a value, itself among them.
pub(super) fn values_in(value: &Value) -> u64 {
    match value {
        Value::Array(items) => 1 + items.iter().map(values_in).sum::<u64>(),
        Value::Object(members) => 1 + members.values().map(values_in).sum::<u64>(),
        _ => 1,
    }
}

/// The subschemas of a schema, as they lead to each other.
struct Graph {
    nodes: Vec<Node>,
}

#[derive(Default)]
struct Node {
    /// Steps of its own.
    own: u64,
    /// Subschemas that are about the same value.
    in_place: Vec<usize>,
    /// Subschemas of members and items, by name.
    below: Vec<(String, usize)>,
}

/// A subschema with all that are about the same value.
#[derive(Clone)]
struct Whole {
    own: u64,
    height: usize,
    /// By name of a member: which subschemas are about it, and how often.
    below: BTreeMap<String, BTreeMap<usize, u64>>,
}

impl Whole {
    fn steps_with(&self, steps: &[u64]) -> u64 {
        let others = self.below.get(OTHERS);
        let of = |subschemas: &BTreeMap<usize, u64>| {
            subschemas
                .iter()
                .fold(0_u64, |sum, (index, times)| sum.saturating_add(steps[*index].saturating_mul(*times)))
        };
        let of_others = others.map_or(0, of);
        let most = self.below.iter().map(|(name, subschemas)| match &**name {
            OTHERS => of_others,
            ITEMS => of(subschemas),
            _ => of(subschemas).saturating_add(of_others),
        });
        self.own.saturating_add(most.max().unwrap_or(0))
    }
}

impl Graph {
    fn of(schema: &Value) -> Result<Self, String> {
        let mut reading =
            Reading { nodes: Vec::new(), known: HashMap::new(), waiting: Vec::new(), names: HashMap::new() };
        reading.find_names(schema);
        reading.node(schema, schema);
        while let Some((index, value, resource)) = reading.waiting.pop() {
            reading.nodes[index] = reading.read(value, resource);
            if reading.nodes.len() > MOST_NODES {
                return Err(format!("the schema has more than {MOST_NODES} parts"));
            }
        }
        Ok(Graph { nodes: reading.nodes })
    }

    /// Adds up all that are about the same value as one subschema.
    fn close(&self, index: usize, way: &mut Vec<usize>, done: &mut [Option<Whole>]) -> Result<Whole, String> {
        if let Some(whole) = &done[index] {
            return Ok(whole.clone());
        }
        if way.contains(&index) {
            return Err("the schema refers to itself without going into the value".to_owned());
        }
        if way.len() >= MOST_HEIGHT {
            return Err(format!("more than {MOST_HEIGHT} subschemas lead to each other for the same value"));
        }
        way.push(index);
        let node = &self.nodes[index];
        let mut whole = Whole { own: node.own, height: 1, below: BTreeMap::new() };
        for (name, below) in &node.below {
            *whole.below.entry(name.clone()).or_default().entry(*below).or_default() += 1;
        }
        for at in &node.in_place {
            let part = self.close(*at, way, done)?;
            whole.own = whole.own.saturating_add(part.own);
            whole.height = whole.height.max(part.height + 1);
            for (name, subschemas) in part.below {
                let all = whole.below.entry(name).or_default();
                for (below, times) in subschemas {
                    let count = all.entry(below).or_default();
                    *count = count.saturating_add(times);
                }
            }
        }
        way.pop();
        if whole.height > MOST_HEIGHT {
            return Err(format!("more than {MOST_HEIGHT} subschemas lead to each other for the same value"));
        }
        done[index] = Some(whole.clone());
        Ok(whole)
    }
}

/// A graph in the making.
struct Reading<'a> {
    nodes: Vec<Node>,
    /// Subschemas by where they are in memory: each is read once.
    known: HashMap<*const Value, usize>,
    /// Those that are not read yet, each with the schema that its references begin at.
    waiting: Vec<(usize, &'a Value, &'a Value)>,
    /// What `$id`, `$anchor` and `$dynamicAnchor` name.
    names: HashMap<&'a str, Vec<&'a Value>>,
}

impl<'a> Reading<'a> {
    fn find_names(&mut self, value: &'a Value) {
        match value {
            Value::Object(members) => {
                for keyword in ["$id", "$anchor", "$dynamicAnchor"] {
                    if let Some(name) = members.get(keyword).and_then(Value::as_str) {
                        self.names.entry(name).or_default().push(value);
                    }
                }
                members.values().for_each(|member| self.find_names(member));
            }
            Value::Array(items) => items.iter().for_each(|item| self.find_names(item)),
            _ => {}
        }
    }

    fn node(&mut self, value: &'a Value, resource: &'a Value) -> usize {
        if let Some(index) = self.known.get(&std::ptr::from_ref(value)) {
            return *index;
        }
        let index = self.nodes.len();
        self.known.insert(std::ptr::from_ref(value), index);
        self.nodes.push(Node::default());
        self.waiting.push((index, value, resource));
        index
    }

    fn read(&mut self, value: &'a Value, resource: &'a Value) -> Node {
        let mut node = Node { own: 1, ..Node::default() };
        let Value::Object(keywords) = value else { return node };
        let resource = if keywords.contains_key("$id") { value } else { resource };
        node.own += own_steps(keywords);
        for (keyword, said) in keywords {
            match &**keyword {
                "$ref" | "$dynamicRef" => {
                    let targets = said.as_str().map(|text| self.targets(text, resource)).unwrap_or_default();
                    if targets.is_empty() {
                        node.own += OF_OTHER_DOCUMENTS;
                    }
                    node.in_place.extend(targets.into_iter().map(|(target, from)| self.node(target, from)));
                }
                "properties" => {
                    for (name, below) in said.as_object().into_iter().flatten() {
                        node.below.push((name.clone(), self.node(below, resource)));
                    }
                }
                keyword if OF_MEMBERS.contains(&keyword) => {
                    let below: Vec<_> = subschemas(said, keyword == "patternProperties")
                        .map(|below| (OTHERS.to_owned(), self.node(below, resource)))
                        .collect();
                    node.below.extend(below);
                }
                keyword if OF_ITEMS.contains(&keyword) => {
                    let below: Vec<_> = subschemas(said, false)
                        .map(|below| (ITEMS.to_owned(), self.node(below, resource)))
                        .collect();
                    node.below.extend(below);
                }
                keyword if IN_PLACE.contains(&keyword) => {
                    let parts: Vec<_> = subschemas(said, keyword == "dependentSchemas").collect();
                    node.in_place.extend(parts.into_iter().map(|part| self.node(part, resource)));
                }
                _ => {}
            }
        }
        node
    }

    /// What a reference names, with the schema that its own references begin at; nothing for another document.
    fn targets(&self, reference: &str, resource: &'a Value) -> Vec<(&'a Value, &'a Value)> {
        let (document, fragment) = reference.split_once('#').unwrap_or((reference, ""));
        let resources = match document {
            "" => vec![resource],
            id => self.names.get(id).cloned().unwrap_or_default(),
        };
        if fragment.is_empty() || fragment.starts_with('/') {
            let decoded = percent_encoding::percent_decode_str(fragment).decode_utf8_lossy();
            return resources
                .into_iter()
                .filter_map(|resource| Some((resource.pointer(&decoded)?, resource)))
                .collect();
        }
        self.names.get(fragment).into_iter().flatten().map(|target| (*target, resource)).collect()
    }
}

/// The schemas that a keyword holds: one, a list, or one for each name.
fn subschemas(said: &Value, is_by_name: bool) -> Box<dyn Iterator<Item = &Value> + '_> {
    match said {
        Value::Array(items) => Box::new(items.iter()),
        Value::Object(members) if is_by_name => Box::new(members.values()),
        one => Box::new(std::iter::once(one)),
    }
}

/// Steps that a schema takes by itself: one for each thing that a value is compared with.
fn own_steps(keywords: &Map<String, Value>) -> u64 {
    let compared = ["enum", "const", "required", "dependentRequired", "patternProperties"];
    compared.iter().filter_map(|keyword| keywords.get(*keyword)).map(values_in).sum()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A schema whose definitions each refer twice to the next, `wrapped` as a part of another keyword.
    fn doubling(levels: usize, wrapped: impl Fn(Value) -> Value) -> Value {
        let mut definitions = Map::new();
        for level in 0..levels {
            let next = json!({"$ref": format!("#/$defs/d{}", level + 1)});
            definitions.insert(format!("d{level}"), json!({"allOf": [wrapped(next.clone()), wrapped(next)]}));
        }
        definitions.insert(format!("d{levels}"), json!({"type": "object"}));
        json!({"$ref": "#/$defs/d0", "$defs": definitions})
    }

    #[test]
    fn usual_schemas_are_cheap() {
        let tree = json!({
            "type": "object",
            "properties": {"left": {"$ref": "#"}, "right": {"$ref": "#"}, "name": {"enum": ["a", "b", "c"]}},
        });
        let anchored = json!({
            "$defs": {"port": {"$anchor": "port", "type": "integer"}},
            "patternProperties": {"^p": {"$ref": "#port"}},
            "items": {"oneOf": [{"type": "string"}, {"type": "number"}]},
        });
        for (schema, expected) in [
            (json!(true), 1),
            (json!({"type": "string"}), 1),
            (json!({"properties": {"a": {"allOf": [true, true]}, "b": true}}), 4),
            // Each level is looked at once, and only one of its sides lies on the way to a value.
            (tree, 64 * 2),
            (anchored, 3 + 3),
            (json!({"items": {"$ref": "#"}}), 64 * 2),
        ] {
            let found = steps(&schema).unwrap_or_else(|error| panic!("{schema}: {error}"));
            assert!(found <= expected + 2, "{schema}: {found}");
        }
    }

    #[test]
    fn what_doubles_is_seen_in_the_same_value_and_on_the_way_down() {
        assert!(steps(&doubling(17, |next| next)).is_ok_and(|steps| steps > 1 << 17));
        assert!(steps(&doubling(30, |next| next)).unwrap_err().contains("more than 40 subschemas"));
        let down = doubling(30, |next| json!({"properties": {"x": next}}));
        assert!(steps(&down).is_ok_and(|steps| steps > 1 << 30));
        let others =
            json!({"allOf": [{"additionalProperties": {"$ref": "#"}}, {"properties": {"x": {"$ref": "#"}}}]});
        assert!(steps(&others).is_ok_and(|steps| steps > 1 << 60));
        for circle in [
            json!({"$ref": "#"}),
            json!({"anyOf": [{"type": "string"}, {"not": {"$ref": "#"}}]}),
            json!({"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"}),
        ] {
            assert!(steps(&circle).unwrap_err().contains("refers to itself"), "{circle}");
        }
    }
}

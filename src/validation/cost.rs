//! What a schema may cost at most: how many steps one value within a value may take. JSON Schema has no bound of its own:
//! a few references to references look at the same value a billion times.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Map, Value};

/// How many subschemas a schema may have.
const MOST_NODES: usize = 50_000;

/// How many subschemas may be about the same value, one within the other: each takes a part of the stack.
const MOST_HEIGHT: usize = 40;

/// How many ways there may be, over all subschemas, from one to those of members and items.
const MOST_WAYS: usize = 1_000_000;

/// How many patterns a schema may have: each may become as large as one may be.
const MOST_PATTERNS: usize = 256;

/// How deep values are.
const MOST_DEPTH: usize = 64;

/// How many steps may be taken for one value, at most, where it has no parts.
const MOST_STEPS: u64 = 1_000_000;

/// How many bytes of a text count as one value.
const BYTES_PER_STEP: usize = 256;

/// Keywords whose subschemas are about the same value; below them a schema, or a list of schemas.
const IN_PLACE: [&str; 7] = ["allOf", "anyOf", "oneOf", "not", "if", "then", "else"];

/// The same, with a schema for each name.
const IN_PLACE_BY_NAME: [&str; 2] = ["dependentSchemas", "dependencies"];

/// Keywords that look through all that is about the same value once more, and do so at each level.
const LOOKING_AGAIN: [&str; 2] = ["unevaluatedProperties", "unevaluatedItems"];

/// How often they do.
const LOOKS: usize = 3;

/// Keywords whose subschemas are about members that `properties` does not name, or about names.
const OF_MEMBERS: [&str; 4] =
    ["patternProperties", "additionalProperties", "unevaluatedProperties", "propertyNames"];

/// Keywords whose subschemas are about every item of a list.
const OF_ITEMS: [&str; 5] = ["items", "additionalItems", "prefixItems", "contains", "unevaluatedItems"];

/// Where the drafts of JSON Schema stand, which the library knows.
const DRAFTS: [&str; 2] = ["https://json-schema.org/", "http://json-schema.org/"];

/// Steps for a reference to one of them.
const OF_DRAFTS: u64 = 1_000;

/// What a value may take at most.
pub(super) struct Cost {
    /// Steps for each value within a value, by how deep the value is.
    by_depth: Vec<u64>,
}

impl Cost {
    /// That of a schema; why it cannot be used, where it cannot.
    pub fn of(schema: &Value) -> Result<Self, String> {
        let graph = Graph::of(schema)?;
        let mut closing =
            Closing { graph: &graph, way: Vec::new(), ways: 0, done: vec![None; graph.nodes.len()] };
        for index in 0..graph.nodes.len() {
            closing.close(index)?;
        }
        let whole: Vec<Whole> = closing.done.into_iter().flatten().collect();
        let mut steps: Vec<u64> = vec![0; whole.len()];
        let mut by_depth = Vec::with_capacity(MOST_DEPTH);
        for _ in 0..MOST_DEPTH {
            let next: Vec<u64> = whole.iter().map(|node| node.steps_with(&steps)).collect();
            let is_same = next == steps;
            steps = next;
            by_depth.push(steps.first().copied().unwrap_or(0));
            if is_same {
                break;
            }
        }
        if by_depth.first().is_some_and(|steps| *steps > MOST_STEPS) {
            return Err("its parts lead to each other more often than anybody can mean".to_owned());
        }
        Ok(Cost { by_depth })
    }

    /// How many steps the check of a value may take.
    pub fn of_value(&self, value: &Value) -> u64 {
        let index = depth_of(value).clamp(1, self.by_depth.len().max(1)) - 1;
        self.by_depth.get(index).copied().unwrap_or(0).saturating_mul(values_in(value))
    }
}

/// How many values there are in a value, itself among them; a long text counts as several.
fn values_in(value: &Value) -> u64 {
    match value {
        Value::Array(items) => 1 + items.iter().map(values_in).sum::<u64>(),
        Value::Object(members) => 1 + members.values().map(values_in).sum::<u64>(),
        Value::String(text) => 1 + (text.len() / BYTES_PER_STEP) as u64,
        _ => 1,
    }
}

fn depth_of(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth_of).max().unwrap_or(0),
        Value::Object(members) => 1 + members.values().map(depth_of).max().unwrap_or(0),
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
    /// Subschemas of members and items.
    below: Vec<(Member, usize)>,
}

/// Which parts of a value a subschema is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Member {
    /// The member of this name.
    Named(String),
    /// Members that are not named.
    Others,
    /// Items of a list.
    Items,
}

/// A subschema with all that are about the same value.
#[derive(Clone)]
struct Whole {
    own: u64,
    height: usize,
    /// Which subschemas are about a part, and how often.
    below: BTreeMap<Member, BTreeMap<usize, u64>>,
}

impl Whole {
    fn steps_with(&self, steps: &[u64]) -> u64 {
        let others = self.below.get(&Member::Others);
        let of = |subschemas: &BTreeMap<usize, u64>| {
            subschemas
                .iter()
                .fold(0_u64, |sum, (index, times)| sum.saturating_add(steps[*index].saturating_mul(*times)))
        };
        let of_others = others.map_or(0, of);
        let most = self.below.iter().map(|(name, subschemas)| match name {
            Member::Others => of_others,
            Member::Items => of(subschemas),
            Member::Named(_) => of(subschemas).saturating_add(of_others),
        });
        self.own.saturating_add(most.max().unwrap_or(0))
    }
}

impl Graph {
    fn of(schema: &Value) -> Result<Self, String> {
        let mut reading = Reading {
            root: schema,
            nodes: Vec::new(),
            known: HashMap::new(),
            waiting: Vec::new(),
            anchors: HashMap::new(),
            patterns: 0,
        };
        reading.find_anchors(schema, true)?;
        reading.node(schema);
        while let Some((index, value)) = reading.waiting.pop() {
            reading.nodes[index] = reading.read(value)?;
            if reading.nodes.len() > MOST_NODES {
                return Err(format!("it has more than {MOST_NODES} parts"));
            }
            if reading.patterns > MOST_PATTERNS {
                return Err(format!("it has more than {MOST_PATTERNS} patterns"));
            }
        }
        Ok(Graph { nodes: reading.nodes })
    }
}

/// Adds up what is about the same value, subschema by subschema.
struct Closing<'a> {
    graph: &'a Graph,
    way: Vec<usize>,
    /// How many ways to members and items there are so far.
    ways: usize,
    done: Vec<Option<Whole>>,
}

impl Closing<'_> {
    fn close(&mut self, index: usize) -> Result<(), String> {
        if self.done[index].is_some() {
            return Ok(());
        }
        if self.way.contains(&index) {
            return Err("it refers to itself without going into the value".to_owned());
        }
        if self.way.len() >= MOST_HEIGHT {
            return Err(too_high());
        }
        self.way.push(index);
        let node = &self.graph.nodes[index];
        let mut whole = Whole { own: node.own, height: 1, below: BTreeMap::new() };
        for (member, below) in &node.below {
            *whole.below.entry(member.clone()).or_default().entry(*below).or_default() += 1;
        }
        for at in &node.in_place {
            self.close(*at)?;
            let Some(part) = &self.done[*at] else { continue };
            whole.own = whole.own.saturating_add(part.own);
            whole.height = whole.height.max(part.height + 1);
            for (member, subschemas) in &part.below {
                let all = whole.below.entry(member.clone()).or_default();
                for (below, times) in subschemas {
                    let count = all.entry(*below).or_default();
                    *count = count.saturating_add(*times);
                }
            }
        }
        self.way.pop();
        if whole.height > MOST_HEIGHT {
            return Err(too_high());
        }
        self.ways += whole.below.values().map(BTreeMap::len).sum::<usize>();
        if self.ways > MOST_WAYS {
            return Err("its parts lead to each other in too many ways".to_owned());
        }
        self.done[index] = Some(whole);
        Ok(())
    }
}

fn too_high() -> String {
    format!("more than {MOST_HEIGHT} of its parts lead to each other for the same value")
}

/// A graph in the making.
struct Reading<'a> {
    root: &'a Value,
    nodes: Vec<Node>,
    /// Subschemas by where they are in memory: each is read once.
    known: HashMap<*const Value, usize>,
    /// Those that are not read yet.
    waiting: Vec<(usize, &'a Value)>,
    /// What `$anchor` and `$dynamicAnchor` name.
    anchors: HashMap<&'a str, Vec<&'a Value>>,
    patterns: usize,
}

impl<'a> Reading<'a> {
    fn find_anchors(&mut self, value: &'a Value, is_root: bool) -> Result<(), String> {
        match value {
            Value::Object(members) => {
                for keyword in ["$anchor", "$dynamicAnchor"] {
                    if let Some(name) = members.get(keyword).and_then(Value::as_str) {
                        self.anchors.entry(name).or_default().push(value);
                    }
                }
                if !is_root && members.get("$id").is_some_and(Value::is_string) {
                    let reason =
                        "a part of it has an `$id` of its own; refer to parts as `#/$defs/NAME` instead";
                    return Err(reason.to_owned());
                }
                members.values().try_for_each(|member| self.find_anchors(member, false))
            }
            Value::Array(items) => items.iter().try_for_each(|item| self.find_anchors(item, false)),
            _ => Ok(()),
        }
    }

    fn node(&mut self, value: &'a Value) -> usize {
        if let Some(index) = self.known.get(&std::ptr::from_ref(value)) {
            return *index;
        }
        let index = self.nodes.len();
        self.known.insert(std::ptr::from_ref(value), index);
        self.nodes.push(Node::default());
        self.waiting.push((index, value));
        index
    }

    fn read(&mut self, value: &'a Value) -> Result<Node, String> {
        let mut node = Node { own: 1, ..Node::default() };
        let Value::Object(keywords) = value else { return Ok(node) };
        node.own += own_steps(keywords);
        self.patterns += usize::from(keywords.contains_key("pattern"));
        for (keyword, said) in keywords {
            match &**keyword {
                "$ref" | "$dynamicRef" => {
                    let targets = self.targets(said.as_str().unwrap_or_default())?;
                    if targets.is_empty() {
                        node.own += OF_DRAFTS;
                    }
                    node.in_place.extend(targets.into_iter().map(|target| self.node(target)));
                }
                "properties" => {
                    for (name, below) in said.as_object().into_iter().flatten() {
                        node.below.push((Member::Named(name.clone()), self.node(below)));
                    }
                }
                keyword if OF_MEMBERS.contains(&keyword) => {
                    let is_by_name = keyword == "patternProperties";
                    for below in subschemas(said, is_by_name) {
                        self.patterns += usize::from(is_by_name);
                        node.below.push((Member::Others, self.node(below)));
                    }
                }
                keyword if OF_ITEMS.contains(&keyword) => {
                    for below in subschemas(said, false) {
                        node.below.push((Member::Items, self.node(below)));
                    }
                }
                keyword if IN_PLACE.contains(&keyword) || IN_PLACE_BY_NAME.contains(&keyword) => {
                    for part in subschemas(said, IN_PLACE_BY_NAME.contains(&keyword)) {
                        node.in_place.push(self.node(part));
                    }
                }
                _ => {}
            }
        }
        if LOOKING_AGAIN.iter().any(|keyword| keywords.contains_key(*keyword)) {
            node.in_place = std::iter::repeat_n(node.in_place, LOOKS).flatten().collect();
        }
        Ok(node)
    }

    /// What a reference names; nothing for a draft of JSON Schema.
    fn targets(&self, reference: &str) -> Result<Vec<&'a Value>, String> {
        let nowhere = || format!("`{reference}` names no part of it; refer to parts as `#/$defs/NAME`");
        let Some(fragment) = reference.strip_prefix('#') else {
            let is_draft = DRAFTS.iter().any(|draft| reference.starts_with(draft));
            return if is_draft { Ok(Vec::new()) } else { Err(nowhere()) };
        };
        if !fragment.is_empty() && !fragment.starts_with('/') {
            return self.anchors.get(fragment).cloned().ok_or_else(nowhere);
        }
        let decoded = percent_encoding::percent_decode_str(fragment).decode_utf8_lossy();
        self.root.pointer(&decoded).map(|target| vec![target]).ok_or_else(nowhere)
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
            let found = steps(&schema, MOST_DEPTH).unwrap_or_else(|error| panic!("{schema}: {error}"));
            assert!(found <= expected + 2, "{schema}: {found}");
        }
    }

    #[test]
    fn what_doubles_is_seen_in_the_same_value_and_on_the_way_down() {
        assert!(steps(&doubling(15, |next| next), 1).is_ok_and(|steps| steps > 1 << 15));
        assert!(steps(&doubling(19, |next| next), 1).unwrap_err().contains("more often"));
        assert!(steps(&doubling(30, |next| next), 1).unwrap_err().contains("more than 40"));
        for named in ["dependencies", "dependentSchemas"] {
            let hidden = doubling(19, |next| json!({ named: { "x": next } }));
            assert!(steps(&hidden, 1).is_err(), "{named}");
        }
        let mut again = json!({"type": "object"});
        for _ in 0..18 {
            again = json!({"allOf": [again], "unevaluatedProperties": false});
        }
        assert!(steps(&again, 1).unwrap_err().contains("more often"));
        let down = doubling(30, |next| json!({"properties": {"x": next}}));
        assert!(steps(&down, 40).is_ok_and(|steps| steps > 1 << 30));
        assert!(steps(&down, 3).is_ok_and(|steps| steps < 100), "what counts is how deep the value is");
        let others =
            json!({"allOf": [{"additionalProperties": {"$ref": "#"}}, {"properties": {"x": {"$ref": "#"}}}]});
        assert!(steps(&others, MOST_DEPTH).is_ok_and(|steps| steps > 1 << 60));
        // A tree of tagged nodes, as people write it.
        let node =
            |kind: &str| json!({"properties": {"kind": {"const": kind}, "of": {"items": {"$ref": "#"}}}});
        let tagged = json!({"oneOf": [node("and"), node("or"), {"type": "string"}]});
        assert!(steps(&tagged, 9).is_ok_and(|steps| steps < 1_000));
    }

    #[test]
    fn what_cannot_be_followed_is_refused() {
        let many = |count: usize, one: &dyn Fn(usize) -> Value| -> Value {
            Value::Object((0..count).map(|index| (format!("p{index}"), one(index))).collect())
        };
        let ways = json!({
            "$defs": {"a": {"properties": many(2_000, &|_| json!(true))}},
            "properties": many(2_000, &|_| json!({"$ref": "#/$defs/a"})),
        });
        for (schema, reason) in [
            (json!({"$ref": "#"}), "refers to itself"),
            (json!({"anyOf": [{"type": "string"}, {"not": {"$ref": "#"}}]}), "refers to itself"),
            (
                json!({"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"}),
                "itself",
            ),
            (json!({"$id": "https://x.test/s", "$ref": "s#/$defs/a", "$defs": {"a": true}}), "names no part"),
            (json!({"$ref": "https://example.com/x.json"}), "names no part"),
            (json!({"$ref": "#/$defs/none"}), "names no part"),
            (json!({"$defs": {"a": {"$id": "https://x.test/a"}}}), "an `$id` of its own"),
            (ways, "too many ways"),
            (
                json!({"properties": many(300, &|index| json!({"pattern": format!("^{index}$")}))}),
                "256 patterns",
            ),
        ] {
            let told = steps(&schema, 1).err().unwrap_or_default();
            assert!(told.contains(reason), "{told}");
        }
        assert!(steps(&json!({"$ref": "https://json-schema.org/draft/2020-12/schema"}), 1).is_ok());
    }

    fn steps(schema: &Value, depth: usize) -> Result<u64, String> {
        let by_depth = Cost::of(schema)?.by_depth;
        Ok(by_depth[depth.min(by_depth.len()) - 1])
    }
}

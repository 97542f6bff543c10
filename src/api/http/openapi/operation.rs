use serde_json::{Map, Value, json};

use super::parameter;
use crate::api::http::format::FORMATS;

/// Statuses that every operation on a project can answer.
const COMMON: [u16; 5] = [400, 401, 403, 429, 500];

/// One operation of the description, in the making.
pub(super) struct Operation {
    pub method: &'static str,
    pub path: &'static str,
    pub limit: (usize, usize),
    pub formats: &'static [&'static str],
    /// What `from`, `to` and `before` are here.
    pub ends: Value,
    value: Value,
}

impl Operation {
    pub fn new(method: &'static str, path: &'static str, id: &str, summary: &str) -> Self {
        let mut parameters = Vec::new();
        for segment in path.split('/') {
            match segment {
                "{path}" => parameters.push(parameter::path_in_url()),
                "{env}" => parameters.push(segment_of("env", "The name of an environment.", "prod")),
                "{revision}" => parameters.push(segment_of(
                    "revision",
                    "A commit's 40 digits, a sequence, a tag or a time.",
                    "1",
                )),
                "{client}" => {
                    let mut client = segment_of("client", "What a client calls itself.", "payments-1");
                    client["schema"] = super::parameter::client();
                    parameters.push(client);
                }
                "{account}" => {
                    parameters.push(segment_of("account", "The name of an account.", "payments-ci"));
                }
                "{number}" => {
                    let mut number = segment_of("number", "The number of a proposal.", "7");
                    number["schema"] =
                        json!({ "type": "integer", "minimum": 1, "maximum": 9_007_199_254_740_992_u64 });
                    number["example"] = json!(7);
                    parameters.push(number);
                }
                "{act}" => {
                    let mut act = segment_of("act", "What is done to it.", "approve");
                    act["schema"] = json!({ "type": "string", "enum": crate::api::http::proposals::ACTS });
                    parameters.push(act);
                }
                "{forge}" => {
                    let mut forge = segment_of("forge", "Where the upstream is.", "github");
                    forge["schema"] = json!({ "type": "string", "enum": crate::forge::Forge::ALL.map(crate::forge::Forge::name) });
                    parameters.push(forge);
                }
                "{file}" => parameters.push(segment_of("file", "The name of a file.", "docs.js")),
                _ => {}
            }
        }
        let value = json!({
            "operationId": id, "summary": summary, "parameters": parameters, "responses": {},
        });
        Operation {
            method,
            path,
            limit: (0, 0),
            formats: &FORMATS,
            ends: json!({ "type": "string", "minLength": 1 }),
            value,
        }
    }

    pub fn tagged(mut self, tag: &str) -> Self {
        self.value["tags"] = json!([tag]);
        self
    }

    pub fn says(mut self, description: &str) -> Self {
        self.value["description"] = json!(description);
        self
    }

    /// A page's usual size and its largest; before [`Operation::query`].
    pub fn pages(mut self, usual: usize, most: usize) -> Self {
        self.limit = (usual, most);
        self
    }

    pub fn formats(mut self, formats: &'static [&'static str]) -> Self {
        self.formats = formats;
        self
    }

    pub fn ends(mut self, schema: Value) -> Self {
        self.ends = schema;
        self
    }

    /// The parameters that the handler takes, from the handler's own list.
    pub fn query(mut self, names: &[&str]) -> Self {
        for name in names {
            let parameter = parameter::of_query(name, self.limit, self.formats, &self.ends);
            self.push("parameters", parameter);
        }
        self
    }

    pub fn headers(mut self, names: &[&str]) -> Self {
        for name in names {
            self.push("parameters", parameter::of_header(name));
        }
        self
    }

    /// A body, by media type.
    pub fn body(mut self, content: &[(&str, Value)]) -> Self {
        self.value["requestBody"] = json!({ "required": true, "content": contents(content) });
        self.problems(&[408, 413])
    }

    /// An answer; `headers` are names of components.
    pub fn answers(
        mut self,
        status: u16,
        description: &str,
        headers: &[&str],
        content: &[(&str, Value)],
    ) -> Self {
        let mut answer = json!({ "description": description });
        if !headers.is_empty() {
            let headers = headers
                .iter()
                .map(|name| (name.to_string(), json!({ "$ref": format!("#/components/headers/{name}") })));
            answer["headers"] = Value::Object(headers.collect());
        }
        if !content.is_empty() {
            answer["content"] = contents(content);
        }
        self.value["responses"][status.to_string()] = answer;
        self
    }

    pub fn problems(mut self, statuses: &[u16]) -> Self {
        for status in statuses {
            self.value["responses"][status.to_string()] =
                json!({ "$ref": format!("#/components/responses/Problem{status}") });
        }
        self
    }

    /// What needs a key, or a caller without one where the server allows that.
    pub fn of_project(self) -> Self {
        self.problems(&COMMON)
    }

    /// What needs no key.
    pub fn open(mut self) -> Self {
        self.value["security"] = json!([]);
        self
    }

    /// Whether an entity tag of the client's can make it 304.
    pub fn conditional(self) -> Self {
        let headers = ["X-Confgit-Revision", "X-Confgit-Sequence", "ETag", "Cache-Control", "Vary"];
        self.headers(&["If-None-Match"]).answers(304, "What the client has is still true.", &headers, &[])
    }

    /// A read of a project with a tag, and what it answers.
    pub fn read(self, description: &str, links: bool, content: &[(&str, Value)]) -> Self {
        let mut headers = vec!["X-Confgit-Revision", "X-Confgit-Sequence", "ETag", "Cache-Control", "Vary"];
        if links {
            headers.push("Link");
        }
        self.answers(200, description, &headers, content).of_project()
    }

    /// The finished operation, its answers in order, among them those to what is too large to be looked at.
    pub fn finish(mut self) -> (&'static str, &'static str, Value) {
        for (status, component) in [("414", "AddressTooLong"), ("431", "HeadTooLarge")] {
            self.value["responses"][status] =
                json!({ "$ref": format!("#/components/responses/{component}") });
        }
        if let Some(answers) = self.value["responses"].as_object_mut() {
            let mut sorted: Vec<_> = std::mem::take(answers).into_iter().collect();
            sorted.sort_by(|a, b| a.0.cmp(&b.0));
            *answers = sorted.into_iter().collect::<Map<_, _>>();
        }
        (self.method, self.path, self.value)
    }

    fn push(&mut self, list: &str, item: Value) {
        if let Some(list) = self.value[list].as_array_mut() {
            list.push(item);
        }
    }
}

fn segment_of(name: &str, description: &str, example: &str) -> Value {
    json!({
        "name": name, "in": "path", "required": true, "description": description, "example": example,
        "schema": { "type": "string", "minLength": 1, "maxLength": 256, "pattern": "^[A-Za-z0-9][A-Za-z0-9._:+-]*$" },
    })
}

fn contents(content: &[(&str, Value)]) -> Value {
    let content = content.iter().map(|(kind, schema)| (kind.to_string(), json!({ "schema": schema })));
    Value::Object(content.collect())
}

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::parameter;
use crate::wire;

/// What operations refer to: schemas of the wire's types, headers, and problems.
pub(super) struct Components {
    answers: SchemaGenerator,
    requests: SchemaGenerator,
    others: Map<String, Value>,
}

impl Components {
    pub fn new() -> Self {
        let settings = || {
            let mut settings = SchemaSettings::draft2020_12();
            settings.definitions_path = "/components/schemas".into();
            settings
        };
        Components {
            answers: settings().for_serialize().into_generator(),
            requests: settings().for_deserialize().into_generator(),
            others: Map::new(),
        }
    }

    /// A type that is answered.
    pub fn answer<T: JsonSchema>(&mut self) -> Value {
        self.answers.subschema_for::<T>().to_value()
    }

    /// A type that is taken.
    pub fn request<T: JsonSchema>(&mut self) -> Value {
        self.requests.subschema_for::<T>().to_value()
    }

    /// A type that is taken, described more closely than the type can: `refine` gets its schema.
    pub fn refined<T: JsonSchema>(&mut self, refine: impl FnOnce(&mut Value)) -> Value {
        let reference = self.request::<T>();
        let name = T::schema_name();
        if let Some(schema) = self.requests.definitions_mut().get_mut(&*name) {
            refine(schema);
        }
        reference
    }

    /// A value of the configuration.
    pub fn value(&mut self) -> Value {
        let object = json!({
            "type": "object",
            "propertyNames": parameter::segment(),
            "additionalProperties": { "$ref": "#/components/schemas/ConfigValue" },
        });
        let description = "Any JSON; the names of members can be segments of a path.";
        self.named(
            "ConfigValue",
            json!({
                "description": description,
                "anyOf": [{ "type": ["null", "boolean", "number", "string", "array"] }, object],
            }),
        )
    }

    /// A schema that is no type of its own.
    pub fn named(&mut self, name: &str, schema: Value) -> Value {
        self.others.insert(name.to_owned(), schema);
        json!({ "$ref": format!("#/components/schemas/{name}") })
    }

    /// An entry with some of its members: what `fields=` leaves.
    pub fn selected_entry(&mut self) -> Value {
        self.answer::<wire::Entry>();
        let mut schema = self.answers.definitions()["Entry"].clone();
        if let Some(schema) = schema.as_object_mut() {
            schema.shift_remove("required");
            schema.insert("additionalProperties".to_owned(), json!(false));
            schema.insert(
                "description".to_owned(),
                json!("An entry, with those of its members that are wanted."),
            );
        }
        self.named("SelectedEntry", schema)
    }

    pub fn finish(mut self) -> Value {
        let problem = self.answer::<wire::Problem>();
        let mut schemas = self.others;
        for definitions in [self.answers.take_definitions(true), self.requests.take_definitions(true)] {
            for (name, schema) in definitions {
                if let Some(other) = schemas.insert(name.clone(), schema.clone()) {
                    assert_eq!(other, schema, "two schemas are named {name}");
                }
            }
        }
        schemas.sort_keys();
        json!({
            "schemas": schemas,
            "headers": headers(),
            "responses": problems(&problem),
            "securitySchemes": {
                "bearer": { "type": "http", "scheme": "bearer", "description": "A key of the project." },
                "key": { "type": "apiKey", "in": "header", "name": "X-API-Key", "description": "The same key." },
            },
        })
    }
}

fn headers() -> Value {
    let header = |description: &str, required: bool, schema: Value| json!({ "description": description, "required": required, "schema": schema });
    let text = || json!({ "type": "string" });
    json!({
        "Allow": header("The methods that the resource takes.", true, text()),
        "Cache-Control": header("Answers depend on the caller, and are asked for again each time.", true, text()),
        "Content-Disposition": header("A name for the file.", true, text()),
        "ETag": header("The entity tag: for `If-None-Match`, and for `If-Match` of a write.", true,
            json!({ "type": "string", "pattern": "^\"[!#-~]+\"$" })),
        "Link": header("`rel=\"next\"`: where the next page is (RFC 8288); absent at the end.", false, text()),
        "Retry-After": header("After how many seconds to try again.", true, json!({ "type": "integer" })),
        "Vary": header("Which headers of the request the answer depends on.", true, text()),
        "WWW-Authenticate": header("The scheme of the credential that is wanted.", true, text()),
        "X-Confgit-Revision": header("The head of the environment's branch; absent while it has none.", false,
            json!({ "type": "string", "pattern": "^[0-9a-f]{40}$" })),
        "X-Confgit-Sequence": header("The last change set in the answer.", true,
            json!({ "type": "integer", "minimum": 0 })),
    })
}

/// Every status that is a problem, with what it means here.
const PROBLEMS: [(u16, &str, Option<&str>); 15] = [
    (400, "The request cannot be understood, or asks for what cannot be.", None),
    (401, "A key is needed, or nobody holds this one.", Some("WWW-Authenticate")),
    (403, "This caller may not do that, or a page of another origin sent it.", None),
    (404, "Nothing is there.", None),
    (408, "The body did not arrive in time.", None),
    (409, "The change does not fit what is there.", None),
    (410, "That version has no value any more, or its history is not kept.", None),
    (412, "The precondition does not hold.", None),
    (413, "The body, or what is asked for, is larger than the limit.", None),
    (415, "The body is of a media type that is not taken here.", None),
    (422, "The configuration is not valid, would not be any more, or cannot be written as asked.", None),
    (429, "Too much is waiting.", Some("Retry-After")),
    (500, "The server failed; its log says why.", None),
    (503, "Not possible at present.", Some("Retry-After")),
    (405, "The resource does not take this method.", Some("Allow")),
];

fn problems(schema: &Value) -> Value {
    let problems = PROBLEMS.iter().map(|(status, description, header)| {
        let mut problem = json!({
            "description": description,
            "content": { "application/problem+json": { "schema": schema } },
        });
        if let Some(header) = header {
            problem["headers"] = json!({ *header: { "$ref": format!("#/components/headers/{header}") } });
        }
        (format!("Problem{status}"), problem)
    });
    // No handler sees these, so they are no problems.
    let unseen = [
        ("AddressTooLong", "The address is longer than 64 KiB."),
        ("HeadTooLarge", "The head of the request is larger than 64 KiB."),
    ];
    let unseen = unseen.map(|(name, description)| (name.to_owned(), json!({ "description": description })));
    Value::Object(problems.chain(unseen).collect())
}

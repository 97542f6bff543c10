use super::components::Components;
use super::entries::WRITTEN;
use super::operation::Operation;
use super::parameter;
use crate::wire;

pub(super) fn operations(components: &mut Components) -> Vec<Operation> {
    let written = components.answer::<wire::WrittenEnvironment>();
    let written = [("application/json", written)];
    vec![
        Operation::new("get", "/api/environments", "list_environments", "All environments")
            .tagged("environments")
            .conditional()
            .read(
                "They, as the settings order them.",
                false,
                &[("application/json", components.answer::<wire::Environments>())],
            ),
        Operation::new("post", "/api/environments", "create_environment", "Makes an environment")
            .tagged("environments")
            .body(&[(
                "application/json",
                components.refined::<wire::NewEnvironment>(|new| {
                    let members = &mut new["properties"];
                    for (member, schema) in [
                        ("name", parameter::environment()),
                        ("branch", parameter::branch()),
                        ("inherits", parameter::environment()),
                    ] {
                        members[member]["pattern"] = schema["pattern"].clone();
                    }
                }),
            )])
            .answers(201, "It was made.", &WRITTEN, &written)
            .of_project()
            .problems(&[409, 503]),
        Operation::new("get", "/api/environments/{env}", "read_environment", "One environment")
            .tagged("environments")
            .conditional()
            .read(
                "The environment.",
                false,
                &[("application/json", components.answer::<wire::Environment>())],
            )
            .problems(&[404]),
        Operation::new(
            "post",
            "/api/environments/{env}/rollback",
            "roll_back_environment",
            "Writes an environment's own layer as it was",
        )
        .tagged("environments")
        .headers(&["X-Request-Id"])
        .body(&[("application/json", components.request::<wire::EnvironmentRollback>())])
        .answers(200, "The layer is as it was at that moment.", &WRITTEN, &written)
        .of_project()
        .problems(&[404, 409, 410, 503]),
    ]
}

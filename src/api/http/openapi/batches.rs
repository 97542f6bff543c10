use super::components::Components;
use super::entries::WRITTEN;
use super::operation::Operation;
use crate::wire;

pub(super) fn operations(components: &mut Components) -> Vec<Operation> {
    vec![
        Operation::new(
            "post",
            "/api/batch",
            "write_batch",
            "Several edits, all or nothing, as one change set",
        )
        .tagged("batches")
        .headers(&["X-Request-Id"])
        .body(&[("application/json", components.request::<wire::Batch>())])
        .answers(
            200,
            "All edits were made.",
            &["X-Confgit-Sequence", "Cache-Control", "Vary"],
            &[("application/json", components.answer::<wire::BatchWritten>())],
        )
        .of_project()
        .problems(&[404, 409, 412, 503]),
        Operation::new("post", "/api/batch/get", "read_batch", "Several paths as they are at one moment")
            .tagged("batches")
            .body(&[("application/json", components.request::<wire::BatchGet>())])
            .answers(
                200,
                "One item for each path.",
                &[&WRITTEN[..], &["ETag"]].concat(),
                &[("application/json", components.answer::<wire::BatchGot>())],
            )
            .of_project()
            .problems(&[404, 410, 503]),
    ]
}

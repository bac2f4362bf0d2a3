//! Faults to see what becomes of them. They are served with `serve --faults`
//! only.

/// `POST /api/faults/bug`: a bug, as any handler may have one.
pub(super) async fn bug() -> String {
    panic!("a bug, as POST /api/faults/bug asked for")
}

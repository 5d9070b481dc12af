//! The subject of a host.

/// The subject of a host: its dots become `_`, because a dot separates the parts of a subject.
pub(crate) fn subject_of(prefix: &str, host: &str) -> String {
    format!("{prefix}.{}", host.replace('.', "_"))
}

//! What driver and executor must agree on before they work together.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use crate::pb;

/// The operators that a binary knows: name to version.
pub type OperatorVersions = BTreeMap<String, u32>;

/// Hashes operator names and versions, so that two binaries can compare what they know in 32 bytes.
pub fn registry_hash(operators: &OperatorVersions) -> [u8; 32] {
    let mut hasher = Sha256::new();
    for (name, version) in operators {
        hasher.update((name.len() as u64).to_le_bytes());
        hasher.update(name.as_bytes());
        hasher.update(version.to_le_bytes());
    }
    hasher.finalize().into()
}

/// Says in words how a member's operators differ from the driver's, naming each operator.
pub fn describe_difference(driver: &OperatorVersions, member: &OperatorVersions) -> String {
    let mut differences = Vec::new();
    for (name, version) in driver {
        match member.get(name) {
            None => differences.push(format!("operator `{name}` version {version} is missing")),
            Some(other) if other < version => {
                differences.push(format!("operator `{name}` is older: {other}, the driver has {version}"));
            }
            Some(other) if other > version => {
                differences.push(format!("operator `{name}` is newer: {other}, the driver has {version}"));
            }
            Some(_) => {}
        }
    }
    for name in member.keys().filter(|name| !driver.contains_key(*name)) {
        differences.push(format!("operator `{name}` is unknown to the driver"));
    }
    if differences.is_empty() {
        differences.push("the lists agree but the hashes do not".to_owned());
    }
    differences.join("; ")
}

/// Turns a registry's operators into their wire form.
pub fn to_wire(operators: &OperatorVersions) -> Vec<pb::OperatorVersion> {
    operators
        .iter()
        .map(|(name, version)| pb::OperatorVersion { name: name.clone(), version: *version })
        .collect()
}

/// Reads the operators from their wire form.
pub fn from_wire(operators: Vec<pb::OperatorVersion>) -> OperatorVersions {
    operators.into_iter().map(|operator| (operator.name, operator.version)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn versions(pairs: &[(&str, u32)]) -> OperatorVersions {
        pairs.iter().map(|(name, version)| ((*name).to_owned(), *version)).collect()
    }

    #[test]
    fn a_changed_version_changes_the_hash() {
        let old = versions(&[("resize", 1)]);
        let new = versions(&[("resize", 2)]);
        assert_ne!(registry_hash(&old), registry_hash(&new));
        assert_eq!(registry_hash(&old), registry_hash(&old.clone()));
    }

    #[test]
    fn a_difference_names_every_operator_concerned() {
        let driver = versions(&[("a", 1), ("b", 2), ("c", 1)]);
        let member = versions(&[("b", 1), ("c", 1), ("d", 1)]);
        let text = describe_difference(&driver, &member);
        assert!(text.contains("`a` version 1 is missing"), "{text}");
        assert!(text.contains("`b` is older: 1, the driver has 2"), "{text}");
        assert!(text.contains("`d` is unknown"), "{text}");
        assert!(!text.contains("`c`"), "{text}");
    }
}

use std::net::IpAddr;

use howdah_proto::{
    PROTOCOL_VERSION, SOFTWARE_VERSION,
    event::Role,
    pb::{self, refused::Reason, register_request},
    registry::{OperatorVersions, describe_difference, from_wire, registry_hash},
    transport::endpoint,
};

const MAX_NAME_BYTES: usize = 256;
const MAX_SLOTS: u32 = 4096;

/// What a member must have in common with this driver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standards {
    /// The operators that the driver knows.
    pub operators: OperatorVersions,
}

/// Where a member that wants to join calls from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The driver's own machine.
    Here,
    /// Another machine.
    Elsewhere(IpAddr),
}

impl Origin {
    /// The origin of a connection, by its two ends.
    pub fn of(local: IpAddr, remote: IpAddr) -> Self {
        let (local, remote) = (local.to_canonical(), remote.to_canonical());
        if remote.is_loopback() || remote == local { Self::Here } else { Self::Elsewhere(remote) }
    }
}

/// What a member that wants to join says of itself, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registration {
    /// Its name, for people.
    pub name: String,
    /// Where it listens.
    pub address: String,
    /// What it is.
    pub role: RoleDetails,
    /// Whether it is on the driver's own machine.
    pub is_here: bool,
}

/// What a member is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RoleDetails {
    /// It computes tasks.
    Executor {
        /// How many at once.
        slots: u32,
        /// How many bytes of blocks it keeps.
        memory_bytes: u64,
    },
    /// It holds shards.
    Paramserver,
}

impl RoleDetails {
    /// The role without its details.
    pub fn role(&self) -> Role {
        match self {
            Self::Executor { .. } => Role::Executor,
            Self::Paramserver => Role::Paramserver,
        }
    }

    /// How many tasks the member runs at once; 0 for a parameter server.
    pub fn slots(&self) -> u32 {
        match self {
            Self::Executor { slots, .. } => *slots,
            Self::Paramserver => 0,
        }
    }
}

/// Why a member may not join.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It speaks another protocol.
    #[error(
        "{name} speaks protocol version {got} (software {software}), this driver speaks {PROTOCOL_VERSION} \
         (software {SOFTWARE_VERSION}): install the same version on both"
    )]
    Protocol {
        /// The member.
        name: String,
        /// Its protocol version.
        got: u32,
        /// Its software version.
        software: String,
    },
    /// It knows other operators.
    #[error("{name} does not have the driver's operators: {difference}")]
    Registry {
        /// The member.
        name: String,
        /// Every operator that differs.
        difference: String,
    },
    /// Others would look for it on their own machine.
    #[error(
        "{name} calls from {from}, and {address}, where it listens, can't be reached from elsewhere: start it with \
         --listen ADDRESS:0 --insecure"
    )]
    Unreachable {
        /// The member.
        name: String,
        /// The machine that it calls from.
        from: IpAddr,
        /// Where it listens.
        address: String,
    },
    /// What it says of itself makes no sense.
    #[error("the registration of {name} makes no sense: {reason}")]
    Nonsense {
        /// The member.
        name: String,
        /// What is wrong.
        reason: String,
    },
}

impl Refusal {
    /// The reason as it goes to the member.
    pub fn reason(&self) -> Reason {
        match self {
            Self::Protocol { .. } => Reason::ProtocolVersion,
            Self::Registry { .. } => Reason::Registry,
            Self::Unreachable { .. } | Self::Nonsense { .. } => Reason::BadRequest,
        }
    }
}

impl Standards {
    /// Checks a request to join that comes from somewhere.
    ///
    /// # Errors
    /// [`Refusal`], naming the member and every operator that differs.
    pub fn check(&self, request: pb::RegisterRequest, origin: Origin) -> Result<Registration, Refusal> {
        let name = if request.name.is_empty() { request.address.clone() } else { request.name };
        if request.protocol_version != PROTOCOL_VERSION {
            return Err(Refusal::Protocol {
                name,
                got: request.protocol_version,
                software: request.software_version,
            });
        }
        let nonsense = |reason: &str| Refusal::Nonsense { name: name.clone(), reason: reason.to_owned() };
        if name.len() > MAX_NAME_BYTES {
            return Err(nonsense("its name is too long"));
        }
        let listens = endpoint(&request.address).map_err(|error| nonsense(&error.to_string()))?;
        if let Origin::Elsewhere(from) = origin
            && is_loopback(listens.uri().host().unwrap_or_default())
        {
            return Err(Refusal::Unreachable { name, from, address: request.address });
        }
        let role = match request.role {
            Some(register_request::Role::Executor(role)) => {
                if !(1..=MAX_SLOTS).contains(&role.slots) {
                    return Err(nonsense(&format!(
                        "{} task slots, but it must have 1 to {MAX_SLOTS}",
                        role.slots
                    )));
                }
                RoleDetails::Executor { slots: role.slots, memory_bytes: role.memory_bytes }
            }
            Some(register_request::Role::Paramserver(_)) => RoleDetails::Paramserver,
            None => return Err(nonsense("it has no role")),
        };
        // Parameter servers run no operators.
        if role.role() == Role::Executor && request.registry_hash[..] != registry_hash(&self.operators) {
            let difference = describe_difference(&self.operators, &from_wire(request.operators));
            return Err(Refusal::Registry { name, difference });
        }
        Ok(Registration { name, address: request.address, role, is_here: origin == Origin::Here })
    }
}

fn is_loopback(host: &str) -> bool {
    let address: Option<IpAddr> = host.trim_matches(['[', ']']).parse().ok();
    address.map_or(host == "localhost", |address| address.to_canonical().is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standards() -> Standards {
        Standards { operators: [("resize".to_owned(), 2)].into() }
    }

    fn request(versions: &[(&str, u32)]) -> pb::RegisterRequest {
        let operators = versions.iter().map(|(name, version)| ((*name).to_owned(), *version)).collect();
        pb::RegisterRequest {
            protocol_version: PROTOCOL_VERSION,
            registry_hash: registry_hash(&operators).to_vec().into(),
            operators: howdah_proto::registry::to_wire(&operators),
            name: "executor-7".to_owned(),
            address: "http://127.0.0.1:7000".to_owned(),
            role: Some(register_request::Role::Executor(pb::ExecutorRole { slots: 2, memory_bytes: 9 })),
            ..pb::RegisterRequest::default()
        }
    }

    #[test]
    fn a_member_with_the_same_protocol_and_operators_may_join() {
        let registration = standards().check(request(&[("resize", 2)]), Origin::Here).unwrap();
        assert_eq!(registration.role, RoleDetails::Executor { slots: 2, memory_bytes: 9 });
    }

    #[test]
    fn an_executor_that_lacks_an_operator_is_refused_with_its_name() {
        let refusal = standards().check(request(&[]), Origin::Here).unwrap_err();
        assert_eq!(refusal.reason(), Reason::Registry);
        let text = refusal.to_string();
        assert!(text.contains("executor-7") && text.contains("`resize` version 2 is missing"), "{text}");
        let text = standards().check(request(&[("resize", 1)]), Origin::Here).unwrap_err().to_string();
        assert!(text.contains("`resize` is older: 1, the driver has 2"), "{text}");
    }

    #[test]
    fn a_parameter_server_needs_no_operators() {
        let role = Some(register_request::Role::Paramserver(pb::ParamserverRole {}));
        assert!(standards().check(pb::RegisterRequest { role, ..request(&[]) }, Origin::Here).is_ok());
    }

    #[test]
    fn another_protocol_and_nonsense_are_refused() {
        let good = || request(&[("resize", 2)]);
        let refused =
            |request: pb::RegisterRequest| standards().check(request, Origin::Here).unwrap_err().reason();
        assert_eq!(refused(pb::RegisterRequest { protocol_version: 99, ..good() }), Reason::ProtocolVersion);
        assert_eq!(refused(pb::RegisterRequest { role: None, ..good() }), Reason::BadRequest);
        assert_eq!(refused(pb::RegisterRequest { address: "here".to_owned(), ..good() }), Reason::BadRequest);
        let role = Some(register_request::Role::Executor(pb::ExecutorRole { slots: 0, memory_bytes: 0 }));
        assert_eq!(refused(pb::RegisterRequest { role, ..good() }), Reason::BadRequest);
    }

    #[test]
    fn a_member_on_another_machine_that_listens_for_its_own_alone_is_refused() {
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        let check = |address: &str, local, remote| {
            let address = address.to_owned();
            let request = pb::RegisterRequest { address, ..request(&[("resize", 2)]) };
            standards().check(request, Origin::of(ip(local), ip(remote)))
        };
        for loopback in ["http://127.0.0.1:7000", "http://[::1]:7000", "http://localhost:7000"] {
            assert!(check(loopback, "127.0.0.1", "127.0.0.1").is_ok());
            // A machine that calls itself by its own address.
            assert!(check(loopback, "10.0.0.1", "::ffff:10.0.0.1").is_ok());
            let refusal = check(loopback, "10.0.0.1", "10.0.0.2").unwrap_err();
            let text = refusal.to_string();
            assert!(
                text.contains("10.0.0.2") && text.contains(loopback) && text.contains("--listen"),
                "{text}"
            );
        }
        for elsewhere in ["http://10.0.0.2:7000", "http://worker:7000"] {
            assert!(check(elsewhere, "10.0.0.1", "10.0.0.2").is_ok());
        }
    }
}

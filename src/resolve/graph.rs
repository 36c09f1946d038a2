//! What the tarballs say of their dependencies to the graph that builds follow. Pure.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{Dependency, Description, PackageId, PackageName, RVersion, Requirement, is_base_package};

/// The packages of one lockfile and how they depend on one another, sorted by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Graph {
    pub nodes: Vec<Node>,
}

/// One package; other packages are given by their place in [`Graph::nodes`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    pub id: PackageId,
    /// `Depends`, `Imports` and `LinkingTo`, without base packages.
    pub direct: BTreeSet<usize>,
    /// All that must be there before this can be built: `direct`, transitively.
    pub closure: BTreeSet<usize>,
    /// Whether R needs it when the function runs; what is only linked to is built
    /// against, not shipped.
    pub shipped: bool,
}

#[derive(Debug, thiserror::Error)]
pub enum GraphError {
    #[error("`{package}` needs `{dependency}`, which the lockfile does not lock")]
    NotLocked { package: PackageId, dependency: PackageName },
    #[error("`{package}` needs `{dependency}` ({requirement}), but the lockfile locks {locked}")]
    Conflict { package: PackageId, dependency: PackageName, requirement: Box<Requirement>, locked: RVersion },
    #[error("`{package}` needs R ({requirement}), but the base has R {r}")]
    RTooOld { package: PackageId, requirement: Requirement, r: RVersion },
    #[error("these packages depend on one another in a circle: {}", .0.join(" -> "))]
    Cycle(Vec<String>),
}

impl GraphError {
    /// What the user can do next.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NotLocked { dependency, .. } if matches!(dependency.as_str(), "renv" | "packrat") => {
                Some(format!("add `--keep {dependency}`: it is left out by default"))
            }
            Self::NotLocked { dependency, .. } => {
                Some(format!("in the project, `install.packages(\"{dependency}\")` and lock again"))
            }
            Self::Conflict { dependency, locked, .. } => Some(format!(
                "in the project, update `{dependency}`, of which {locked} is locked, and lock again"
            )),
            Self::RTooOld { .. } => Some("choose a base with a newer R, or lock an older version".to_owned()),
            Self::Cycle(_) => None,
        }
    }
}

impl Graph {
    /// Joins the descriptions; `r` is the base's, where it is known; `keep` names packages to ship although nothing needs them
    /// at run time.
    ///
    /// # Errors
    ///
    /// Everything that does not fit together, at once.
    pub fn new(
        mut descriptions: Vec<Description>,
        r: Option<&RVersion>,
        keep: &BTreeSet<PackageName>,
    ) -> Result<Self, Vec<GraphError>> {
        descriptions.sort_by(|a, b| a.id.cmp(&b.id));
        let places: BTreeMap<&PackageName, usize> =
            descriptions.iter().enumerate().map(|(at, description)| (&description.id.name, at)).collect();
        let mut errors = Vec::new();
        let mut runtime = Vec::new();
        let mut nodes = Vec::new();
        for description in &descriptions {
            errors.extend(r_too_old(description, r));
            let find = |dependency: &Dependency| {
                let found = places.get(&dependency.name).map(|at| (*at, &descriptions[*at].id));
                place(description, dependency, found)
            };
            let mut places_of = |dependencies: &[Dependency]| -> BTreeSet<usize> {
                let packages = dependencies.iter().filter(|dependency| !is_base_package(&dependency.name));
                packages
                    .filter_map(|dependency| find(dependency).map_err(|error| errors.push(error)).ok())
                    .collect()
            };
            let at_run_time = places_of(&description.runtime);
            let direct = at_run_time.union(&places_of(&description.linking_to)).copied().collect();
            runtime.push(at_run_time);
            nodes.push(Node { id: description.id.clone(), direct, closure: BTreeSet::new(), shipped: false });
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        close(&mut nodes).map_err(|cycle| vec![cycle])?;
        ship(&mut nodes, &runtime, keep);
        Ok(Self { nodes })
    }

    /// Which packages have to be built: what is shipped, and what that is built against.
    pub fn needed(&self) -> BTreeSet<usize> {
        let shipped = self.nodes.iter().enumerate().filter(|(_, node)| node.shipped);
        shipped.flat_map(|(at, node)| node.closure.iter().copied().chain([at])).collect()
    }
}

fn r_too_old(description: &Description, r: Option<&RVersion>) -> Option<GraphError> {
    let r = r?;
    let requirement = description.r.as_ref().filter(|requirement| !requirement.accepts(r))?;
    Some(GraphError::RTooOld {
        package: description.id.clone(),
        requirement: requirement.clone(),
        r: r.clone(),
    })
}

fn place(
    description: &Description,
    dependency: &Dependency,
    found: Option<(usize, &PackageId)>,
) -> Result<usize, GraphError> {
    let package = description.id.clone();
    let Some((at, locked)) = found else {
        return Err(GraphError::NotLocked { package, dependency: dependency.name.clone() });
    };
    match &dependency.requirement {
        Some(requirement) if !requirement.accepts(&locked.version) => Err(GraphError::Conflict {
            package,
            dependency: dependency.name.clone(),
            requirement: Box::new(requirement.clone()),
            locked: locked.version.clone(),
        }),
        Some(_) | None => Ok(at),
    }
}

/// Fills in each closure, dependencies first.
fn close(nodes: &mut [Node]) -> Result<(), GraphError> {
    let mut left: BTreeSet<usize> = (0..nodes.len()).collect();
    while !left.is_empty() {
        let ready: Vec<usize> =
            left.iter().copied().filter(|at| nodes[*at].direct.is_disjoint(&left)).collect();
        if ready.is_empty() {
            return Err(GraphError::Cycle(find_cycle(nodes, &left)));
        }
        for at in ready {
            let below = nodes[at].direct.iter().flat_map(|dependency| nodes[*dependency].closure.iter());
            nodes[at].closure = below.chain(&nodes[at].direct).copied().collect();
            left.remove(&at);
        }
    }
    Ok(())
}

/// Follows dependencies among those that have no order until one comes again.
fn find_cycle(nodes: &[Node], left: &BTreeSet<usize>) -> Vec<String> {
    let mut path: Vec<usize> = left.iter().copied().take(1).collect();
    while let Some(next) = path.last().and_then(|at| nodes[*at].direct.intersection(left).next()) {
        if let Some(start) = path.iter().position(|at| at == next) {
            path.push(*next);
            return path[start..].iter().map(|at| nodes[*at].id.name.to_string()).collect();
        }
        path.push(*next);
    }
    Vec::new()
}

/// Marks what nothing depends on, what is kept on request, and what these need to run.
fn ship(nodes: &mut [Node], runtime: &[BTreeSet<usize>], keep: &BTreeSet<PackageName>) {
    let depended_on: BTreeSet<usize> = nodes.iter().flat_map(|node| node.direct.iter().copied()).collect();
    let is_root = |at: &usize| !depended_on.contains(at) || keep.contains(&nodes[*at].id.name);
    let mut queue: Vec<usize> = (0..nodes.len()).filter(is_root).collect();
    while let Some(at) = queue.pop() {
        if !std::mem::replace(&mut nodes[at].shipped, true) {
            queue.extend(&runtime[at]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn description(name: &str, fields: &str) -> Description {
        Description::parse(&format!("Package: {name}\nVersion: 1.0\n{fields}")).unwrap()
    }

    fn graph(descriptions: Vec<Description>) -> Result<Graph, Vec<GraphError>> {
        Graph::new(descriptions, Some(&"4.5.0".parse().unwrap()), &BTreeSet::new())
    }

    #[test]
    fn closures_reach_through_and_headers_are_not_shipped() {
        let graph = graph(vec![
            description("top1", "Imports: mid1, stats\n"),
            description("mid1", "Imports: low1\nLinkingTo: hdr1\n"),
            description("low1", ""),
            description("hdr1", "Imports: aux1\n"),
            description("aux1", ""),
            description("alone1", ""),
        ])
        .unwrap();
        let name = |at: &usize| graph.nodes[*at].id.name.to_string();
        let closure: Vec<_> = graph.nodes[5].closure.iter().map(name).collect();
        assert_eq!(closure, ["aux1", "hdr1", "low1", "mid1"]);
        let shipped: Vec<_> = (0..6).filter(|at| graph.nodes[*at].shipped).map(|at| name(&at)).collect();
        assert_eq!(
            shipped,
            ["alone1", "low1", "mid1", "top1"],
            "what only headers need is not shipped either"
        );
        assert_eq!(graph.needed().len(), 6, "but all of it is built");
    }

    #[test]
    fn everything_that_does_not_fit_is_reported_at_once() {
        let errors = graph(vec![
            description("a1", "Depends: R (>= 4.6)\nImports: gone1, b1 (>= 1.1)\n"),
            description("b1", "LinkingTo: gone2\n"),
        ])
        .unwrap_err();
        let shown: Vec<_> = errors.iter().map(ToString::to_string).collect();
        assert_eq!(
            shown,
            [
                "`a1 1.0` needs R (>= 4.6), but the base has R 4.5.0",
                "`a1 1.0` needs `gone1`, which the lockfile does not lock",
                "`a1 1.0` needs `b1` (>= 1.1), but the lockfile locks 1.0",
                "`b1 1.0` needs `gone2`, which the lockfile does not lock",
            ]
        );
    }

    #[test]
    fn a_circle_is_named_and_does_not_hang() {
        let errors = graph(vec![
            description("a1", "Imports: b1\n"),
            description("b1", "Imports: c1\n"),
            description("c1", "Imports: b1\n"),
        ])
        .unwrap_err();
        assert_eq!(errors[0].to_string(), "these packages depend on one another in a circle: b1 -> c1 -> b1");
    }

    #[test]
    fn the_order_of_the_input_does_not_matter() {
        let of = |names: [&str; 3]| graph(names.map(|name| description(name, "")).to_vec()).unwrap();
        assert_eq!(of(["a1", "b1", "c1"]), of(["c1", "a1", "b1"]));
    }
}

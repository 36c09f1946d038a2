//! What a run would do, to text for people and to JSON for programs.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::table::{to_json, trees, usage};
use crate::base::{BaseOptions, Recipe};
use crate::model::{counted, human_bytes};
use crate::pipeline::{FunctionPlan, Lacking, PlanReport, Planned, Requirements};
use crate::plan::{Bound, LayerPlan, LayerSummary, Moves, Summary, TreeId, WideBump, summary};
use crate::requirements::Source;

pub(super) fn plan_text(plan: &PlanReport) -> String {
    let mut text = match &plan.base {
        Some(base) => format!("base {} with R {}\n", base.recipe, base.r),
        None => format!("base {} is to be made\n", plan.recipe),
    };
    for (n, function) in plan.functions.iter().enumerate() {
        text.push_str(&format!("\nfunction {} ({})\n", function.name, function.lockfile));
        for at in function.graph.needed() {
            text.push_str(&plan_line(function, at));
        }
        match &plan.layers {
            Some(Planned { plan: layers, .. }) => {
                let bytes = layers.layers_of(n).map(|layer| layer.unzipped_bytes).sum();
                let n_layers = layers.functions[n].len() - usize::from(layers.in_code[n].is_some());
                text.push_str(&usage(n_layers, bytes, function.code_bytes));
            }
            None => text.push_str("  sizes are known once everything is built\n"),
        }
    }
    text
}

/// What the base lacks, and the command that adds it.
pub(super) fn requirements_text(
    requirements: &Requirements,
    recipe: &Recipe,
    options: &BaseOptions,
) -> String {
    if requirements.lacking.is_empty() {
        return String::new();
    }
    let mut text = "\nthe base lacks what packages ask for\n".to_owned();
    for Lacking { name, source, asked_by, is_optional } in &requirements.lacking {
        let system = requirements.distribution.name();
        let source = match source {
            Source::Packages(names) => names.join(", "),
            Source::Nowhere => format!("{system} has no package of it"),
            Source::Unknown => format!("we do not know what {system} calls it"),
        };
        let optional = if *is_optional { ", which can do without" } else { "" };
        text.push_str(&format!("  {name:<14}{source}, for {}{optional}\n", asked_by.join(", ")));
    }
    let include: BTreeSet<&str> =
        requirements.include().into_iter().chain(options.include.iter().map(String::as_str)).collect();
    if requirements.include().is_empty() {
        return text;
    }
    let include: Vec<&str> = include.into_iter().collect();
    match recipe {
        Recipe::Debian { .. } | Recipe::Al2023 => text.push_str(&format!(
            "  layr base build {recipe} --include {} makes a base that has it; keep `include = {include:?}` in \
             [base] of layr.toml\n",
            include.join(","),
        )),
        Recipe::Image { .. } | Recipe::Folder(_) => {
            text.push_str(&format!("  install in it: {}\n", include.join(" ")));
        }
    }
    text
}

/// All layers against each other, and what publishing them moves.
pub(super) fn layers_text(planned: &Planned, summary: &Summary, explain: bool) -> String {
    let largest = planned.plan.layers.iter().map(|layer| layer.unzipped_bytes).max().unwrap_or(1).max(1);
    let mut text = "\nlayers\n".to_owned();
    for (n, (layer, of_layer)) in planned.plan.layers.iter().zip(&summary.layers).enumerate() {
        let width = usize::try_from(layer.unzipped_bytes * BAR_WIDTH / largest).unwrap_or(0).max(1);
        text.push_str(&format!(
            "  {:>2}  {:>9}  {:>12}  {}  {}  {}\n",
            n + 1,
            human_bytes(layer.unzipped_bytes),
            trees(&layer.trees),
            match (of_layer.is_in_code, of_layer.is_new) {
                (true, _) => "code",
                (false, true) => "new ",
                (false, false) => "kept",
            },
            of_layer.users.join(", "),
            "█".repeat(width),
        ));
        if explain {
            text.push_str(&why(layer, of_layer));
        }
    }
    let Summary { stored_bytes, apart_bytes, moves, wide_bumps, skews, .. } = summary;
    text.push_str(&format!(
        "  {} stored; with one layer for each function it would be {}\n",
        human_bytes(*stored_bytes),
        human_bytes(*apart_bytes),
    ));
    text.push_str(&format!("  the next publish moves {}\n", moved(moves)));
    for bump in wide_bumps {
        text.push_str(&wide_bump_text(bump));
    }
    for skew in skews.iter().take(5) {
        let version = |(id, functions): &(TreeId, Vec<String>)| format!("`{id}` ({})", functions.join(", "));
        let versions: Vec<String> = skew.versions.iter().map(version).collect();
        let saved = human_bytes(skew.bytes);
        text.push_str(&format!("  agreeing on one would save {saved}: {}\n", versions.join(", ")));
    }
    text
}

/// So many blocks for the largest layer.
const BAR_WIDTH: u64 = 24;

fn why(layer: &LayerPlan, summary: &LayerSummary) -> String {
    let n_users = summary.users.len();
    let shared = match n_users {
        1 if summary.is_in_code => format!("what {} alone needs, in the zip of its code", summary.users[0]),
        1 => format!("what {} alone needs", summary.users[0]),
        n => format!(
            "what {n} functions need: in layers of their own, it would be stored {n} times, {} more",
            human_bytes(layer.unzipped_bytes * (n as u64 - 1)),
        ),
    };
    let expected = (summary.chance * 100.0).round();
    let names: Vec<&str> = layer.trees.iter().map(|tree| tree.id.name()).collect();
    let more = if names.len() > 8 { format!(" and {} more", names.len() - 8) } else { String::new() };
    let names = names.iter().take(8).copied().collect::<Vec<_>>().join(", ");
    format!(
        "        {shared}\n        a change of one of them changes it {expected} times in 100\n        {names}{more}\n"
    )
}

pub(super) fn moved(moves: &Moves) -> String {
    if moves.n_layers == 0 && moves.functions.is_empty() {
        return "nothing".to_owned();
    }
    let layers = counted(moves.n_layers, "layer");
    let functions = match &moves.functions[..] {
        [] => "no function".to_owned(),
        functions => functions.join(", "),
    };
    format!("{} in {layers}, and points {functions} to other layers", human_bytes(moves.bytes))
}

pub(super) fn bound_text(summary: &Summary, bound: Bound) -> String {
    let over = summary.stored_bytes.saturating_sub(bound.bytes).saturating_mul(1000) / bound.bytes.max(1);
    let how = if bound.is_of_layers { "by the bound of all layers there could be" } else { "each tree once" };
    format!(
        "  no plan can store less than {}, {how}: this one is within {}.{} % of that\n",
        human_bytes(bound.bytes),
        over / 10,
        over % 10,
    )
}

fn wide_bump_text(bump: &WideBump) -> String {
    let WideBump { function, tree, n_layers, bytes, own_bytes } = bump;
    format!(
        "  `{tree}` alone is new in {function}, and yet {n_layers} layers move, {} where its own has {}: \
         cutting them otherwise saves more over the next changes\n",
        human_bytes(*bytes),
        human_bytes(*own_bytes),
    )
}

fn plan_line(function: &FunctionPlan, at: usize) -> String {
    let node = &function.graph.nodes[at];
    let state = match function.found.get(&at) {
        Some(package) => format!("in the store, {}", human_bytes(package.unzipped_bytes)),
        None => "to be built".to_owned(),
    };
    let shipped = if node.shipped { "" } else { ", built against only" };
    format!("  {:<32}{state}{shipped}\n", node.id.to_string())
}

/// docs/plan-json.md has the fields.
pub(super) fn plan_json(plan: &PlanReport, what_if: Option<&Moves>, bound: Option<Bound>) -> String {
    let function = |(n, function): (usize, &FunctionPlan)| {
        let packages = function.graph.needed().into_iter().map(|at| {
            let (node, found) = (&function.graph.nodes[at], function.found.get(&at));
            json!({
                "name": node.id.name.to_string(),
                "version": node.id.version.to_string(),
                "shipped": node.shipped,
                "in_store": found.is_some(),
                "unzipped_bytes": found.map(|package| package.unzipped_bytes),
            })
        });
        let layers = plan.layers.as_ref().map(|Planned { plan: layers, .. }| {
            let layer = |layer: &LayerPlan| {
                let names: Vec<_> = layer.trees.iter().map(|tree| tree.id.to_string()).collect();
                json!({ "unzipped_bytes": layer.unzipped_bytes, "packages": names })
            };
            layers.layers_of(n).map(layer).collect::<Vec<_>>()
        });
        json!({
            "name": function.name,
            "lockfile": function.lockfile,
            "code_bytes": function.code_bytes,
            "packages": packages.collect::<Vec<_>>(),
            "layers": layers,
        })
    };
    let base =
        plan.base.as_ref().map(|base| json!({ "recipe": base.recipe, "digest": base.digest.to_hex() }));
    let functions: Vec<_> = plan.functions.iter().enumerate().map(function).collect();
    let layers = plan.layers.as_ref().map(layers_json);
    let lacking = plan.requirements.as_ref().map(requirements_json);
    let mut value =
        json!({ "schema": 1, "base": base, "functions": functions, "plan": layers, "base_lacks": lacking });
    if let Some(moves) = what_if {
        value["what_if"] = moves_json(moves);
    }
    if let Some(Bound { bytes, is_of_layers }) = bound {
        value["bound"] = json!({ "bytes": bytes, "is_of_layers": is_of_layers });
    }
    to_json(&value)
}

fn requirements_json(requirements: &Requirements) -> Value {
    let lacking = requirements.lacking.iter().map(|lacking| {
        let system_packages = match &lacking.source {
            Source::Packages(names) => Some(names),
            Source::Nowhere | Source::Unknown => None,
        };
        json!({
            "name": lacking.name,
            "system_packages": system_packages,
            "packages": lacking.asked_by,
            "optional": lacking.is_optional,
        })
    });
    lacking.collect()
}

fn layers_json(planned: &Planned) -> Value {
    let Planned { demand, last, plan } = planned;
    let summary = summary(demand, last, plan);
    let layers = plan.layers.iter().zip(&summary.layers).map(|(layer, of_layer)| {
        json!({
            "unzipped_bytes": layer.unzipped_bytes,
            "packages": layer.trees.iter().map(|tree| tree.id.to_string()).collect::<Vec<_>>(),
            "functions": of_layer.users,
            "is_new": of_layer.is_new,
            "in_code": of_layer.is_in_code,
            "chance_of_change": of_layer.chance,
        })
    });
    let skews = summary.skews.iter().map(|skew| {
        let version = |(id, functions): &(TreeId, Vec<String>)| json!({ "package": id.to_string(), "functions": functions });
        json!({ "bytes": skew.bytes, "versions": skew.versions.iter().map(version).collect::<Vec<_>>() })
    });
    json!({
        "layers": layers.collect::<Vec<_>>(),
        "stored_bytes": summary.stored_bytes,
        "least_bytes": summary.least_bytes,
        "one_layer_per_function_bytes": summary.apart_bytes,
        "moves": moves_json(&summary.moves),
        "wide_bumps": summary.wide_bumps.iter().map(wide_bump_json).collect::<Vec<_>>(),
        "version_skew": skews.collect::<Vec<_>>(),
    })
}

fn wide_bump_json(bump: &WideBump) -> Value {
    let WideBump { function, tree, n_layers, bytes, own_bytes } = bump;
    json!({
        "function": function,
        "package": tree.to_string(),
        "layers": n_layers,
        "bytes": bytes,
        "own_layer_bytes": own_bytes,
    })
}

fn moves_json(moves: &Moves) -> Value {
    json!({ "layers": moves.n_layers, "bytes": moves.bytes, "functions": moves.functions })
}

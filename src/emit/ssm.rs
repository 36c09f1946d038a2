//! SSM: a shell script that writes one parameter for each function and region.

use super::Layers;
use super::shell::joined;

pub(super) fn ssm(layers: &Layers) -> String {
    let mut text = String::from(
        "#!/bin/sh\n# Made by `layr emit ssm`: the layers of each function as a StringList, in attach order.\nset -eu\n",
    );
    for (function, regions) in &layers.functions {
        for (region, arns) in regions {
            text.push_str(&format!(
                "aws ssm put-parameter --region {region} --overwrite --type StringList --name /layr/{function}/layers --value {}\n",
                joined(arns, ",")
            ));
        }
    }
    text
}

// What a model file says about itself beside its graph: how a frame goes in, what its outputs mean. Kept as
// `eddy.json` inside the TorchScript file, written by models/zoo.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace eddy {

enum class Task : uint8_t {
    classify,  ///< output 0: logits [1, labels]
    detect,    ///< output 0: boxes [1, n, 4] as ymin, xmin, ymax, xmax in fractions; output 1: scores [1, n, labels]
    raw,       ///< nothing is known of the outputs
};

struct ModelCard {
    std::string name;
    Task task = Task::raw;
    uint32_t height = 0;  ///< of the input frame, pixels
    uint32_t width = 0;
    std::array<float, 3> mean{};  ///< layer 0 computes (pixel / 255 - mean) / std, RGB
    std::array<float, 3> std{1, 1, 1};
    std::vector<std::string> labels;  ///< index = class
    float score_min = 0.5F;           ///< detect: weaker boxes are left out
    float iou_max = 0.5F;             ///< detect: non-maximum suppression, per class
    friend bool operator==(const ModelCard&, const ModelCard&) = default;
};

}  // namespace eddy

// What EdgeFlow plans for: a model in steps, devices that make rows of them so fast, links between every two, and the
// device that has the frame and wants the result. Checked when it is made; everything behind relies on that.
//
// A device computes one unit at a time. It sends one message at a time and receives one at a time (full duplex), and
// every message costs it processor time as well.
//
// Times are in microseconds, as real numbers. Pure; immutable once made; one Problem may serve several planners.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "eddy/result.hpp"
#include "eddy/row_profile.hpp"
#include "models/graph/graph.hpp"
#include "models/graph/row_steps.hpp"
#include "models/graph/rows.hpp"

namespace eddy::planner::edgeflow {

inline constexpr size_t devices_max = 16;

struct Device {
    std::string name;
    size_t profile = 0;  ///< index of the row profile that its times are taken from
    double speed = 1;    ///< which they are divided by. Above 0
    uint64_t memory_bytes = UINT64_MAX;
    bool has_model = true;  ///< false: it makes no rows
};

struct Link {
    double bytes_per_us = 1;  ///< above 0; 125 are 1000 Mbit/s
    double delay_us = 0;      ///< from the last byte sent to the last one received
};

/// Processor time of a message, at each of its ends.
struct MessageCost {
    double fixed_us = 50;
    double us_per_byte = 0.001;
    [[nodiscard]] double of(uint64_t bytes) const { return fixed_us + us_per_byte * static_cast<double>(bytes); }
};

class Problem {
public:
    struct Parts {
        graph::ModelGraph graph;
        std::vector<RowProfile> profiles;
        std::vector<Device> devices;
        std::vector<Link> links;  ///< [from · devices + to]; those of a device to itself are not used
        MessageCost message;
        size_t source = 0;    ///< the device that has the frame and wants the result
        uint32_t window = 1;  ///< frames that may be under way at a time: each needs its memory
        /// From when a unit's turn has come until it runs, and from its end until that is known: threads are woken. By
        /// the lab's frames, against what was predicted without it.
        double dispatch_us = 60;
    };
    /// Invalid: profiles of another model, what is not finite or not above 0, more than devices_max devices, none that
    /// has the model.
    static Result<Problem> make(Parts parts);

    /// What a plan's units follow from, without any cost: for who carries a plan out that somebody else made.
    static Result<Problem> of_structure(graph::ModelGraph graph, size_t devices, size_t source);

    [[nodiscard]] const graph::ModelGraph& graph() const { return parts_.graph; }
    [[nodiscard]] const std::vector<graph::RowRule>& rules() const { return rules_; }
    [[nodiscard]] const std::vector<graph::RowStep>& steps() const { return steps_; }
    [[nodiscard]] uint32_t step_count() const { return static_cast<uint32_t>(steps_.size()); }
    [[nodiscard]] uint32_t step_of(uint32_t op) const { return step_of_[op]; }
    [[nodiscard]] size_t devices() const { return parts_.devices.size(); }
    [[nodiscard]] const Device& device(size_t index) const { return parts_.devices[index]; }
    [[nodiscard]] size_t profiles() const { return parts_.profiles.size(); }
    [[nodiscard]] const Link& link(size_t from, size_t to) const { return parts_.links[from * devices() + to]; }
    [[nodiscard]] const MessageCost& message() const { return parts_.message; }
    [[nodiscard]] size_t source() const { return parts_.source; }
    [[nodiscard]] uint32_t window() const { return parts_.window; }
    /// Of a row of the value; of a value that is no image: of all of it.
    [[nodiscard]] uint64_t row_bytes(ValueId value) const { return row_bytes_[value.value]; }

    /// Time to make so many rows of a step at speed 1.
    [[nodiscard]] double step_us(size_t profile, uint32_t step, int64_t rows) const {
        return time_us(parts_.profiles[profile].steps[step], static_cast<uint32_t>(rows));
    }
    /// What a unit takes there whose steps take `steps_us` at speed 1.
    [[nodiscard]] double unit_us(const Device& on, double steps_us, uint64_t gathered_bytes = 0) const {
        return parts_.dispatch_us + (steps_us + time_us(parts_.profiles[on.profile], {}, gathered_bytes)) / on.speed;
    }

    /// The same with another source, or with speeds and links as they are now: for planning again.
    [[nodiscard]] Result<Problem> with(std::vector<Device> devices, std::vector<Link> links, size_t source) const;

private:
    explicit Problem(Parts parts) : parts_(std::move(parts)) {}
    [[nodiscard]] Status check() const;
    [[nodiscard]] Status check_cluster() const;
    [[nodiscard]] Status check_profile(const RowProfile& profile) const;

    Parts parts_;
    std::vector<graph::RowRule> rules_;
    std::vector<graph::RowStep> steps_;
    std::vector<uint32_t> step_of_;    ///< by operator
    std::vector<uint64_t> row_bytes_;  ///< by value
};

}  // namespace eddy::planner::edgeflow

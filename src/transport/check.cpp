// What no honest node sends, whatever the encoding.
#include <algorithm>
#include <cmath>
#include <set>

#include "eddy/config.hpp"
#include "src/transport/codec.hpp"

namespace eddy::transport {
namespace {

/// Sums of durations must not overflow, however many a peer sends.
constexpr Usec duration_max = std::chrono::hours(24 * 365);

/// Bytes of the UTF-8 sequence that begins `text`; 0 if it is none, or a control character.
size_t printable_at(std::string_view text) {
    const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
    const uint8_t lead = byte(0);
    if (lead < 0x80) return lead >= 0x20 && lead != 0x7f ? 1 : 0;
    const size_t size = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    if (lead < 0xc2 || lead > 0xf4 || text.size() < size) return 0;
    for (size_t i = 1; i < size; ++i)
        if ((byte(i) & 0xc0) != 0x80) return 0;
    // Overlong forms, surrogates, beyond the last code point, and the C1 controls.
    const uint8_t second = byte(1);
    if ((lead == 0xe0 && second < 0xa0) || (lead == 0xed && second > 0x9f) || (lead == 0xf0 && second < 0x90) ||
        (lead == 0xf4 && second > 0x8f) || (lead == 0xc2 && second < 0xa0))
        return 0;
    return size;
}

Status check_list(const char* what, size_t count, size_t count_max) {
    if (count <= count_max) return success();
    return invalid(std::string(what) + ": " + std::to_string(count) + " entries (at most " + std::to_string(count_max) +
                   ")");
}

Status check_durations(const Durations& durations) {
    for (const Usec part : {durations.waiting, durations.computing})
        if (part < Usec(0) || part > duration_max) return invalid("a duration is negative or longer than a year");
    return success();
}

Status check_tensor(const HostTensor& tensor) {
    // First: nothing may be computed from a type that does not exist.
    if (bytes_per_element(tensor.meta.dtype) == 0) return invalid("a tensor has an unknown type");
    const auto bytes = tensor.meta.bytes();
    if (!bytes || *bytes > tensor_bytes_max) return invalid("a tensor's shape is impossible or too large");
    if (*bytes != tensor.bytes.size())
        return invalid("a tensor's shape asks for " + std::to_string(*bytes) + " bytes, it has " +
                       std::to_string(tensor.bytes.size()));
    if (tensor.meta.channels_last && (tensor.meta.shape.size() != 4 || tensor.meta.shape[0] != 1))
        return invalid("a tensor that is no image claims that its channels come last");
    if (tensor.meta.rows.begin > tensor.meta.rows.end) return invalid("a tensor's rows end before they begin");
    return success();
}

/// Names are shown to people, and the rest is dialled: nobody passes on a member that cannot be reached.
Status check_member(const msg::Member& member) {
    if (!is_clean(member.name, name_bytes_max) || !is_clean(member.endpoint.host, host_bytes_max))
        return invalid("a member's name or host is too long or not printable text");
    if (member.endpoint.host.empty() || member.endpoint.port == 0) return invalid("a member has no host or no port");
    return success();
}

Status check_members(const std::vector<msg::Member>& members, size_t count_max) {
    if (auto status = check_list("members", members.size(), count_max); !status) return status;
    for (const auto& member : members)
        if (auto status = check_member(member); !status) return status;
    return success();
}

/// Receivers search it by layer and add its times up.
Status check_remaining(const std::vector<msg::Remaining>& remaining) {
    if (auto status = check_list("remaining times", remaining.size(), remaining_max); !status) return status;
    for (size_t i = 0; i < remaining.size(); ++i) {
        if (i > 0 && remaining[i].layer <= remaining[i - 1].layer)
            return invalid("remaining times are not in the order of their layers");
        if (remaining[i].time < Usec(0) || remaining[i].time > duration_max)
            return invalid("a remaining time is negative or longer than a year");
        if (!(remaining[i].price >= 0 && remaining[i].price <= price_max))
            return invalid("a price is negative, above a million frames or no number");
    }
    return success();
}

Status check_links(const std::vector<msg::LinkSpeed>& links) {
    if (auto status = check_list("links", links.size(), links_told_max); !status) return status;
    for (const auto& link : links)
        if (!std::isfinite(link.bytes_per_s) || link.bytes_per_s < 0)
            return invalid("the speed of a link is not finite, or negative");
    return success();
}

Status check_receipt(Usec first_byte, Usec last_byte) {
    if (first_byte < Usec(0) || last_byte < first_byte)
        return invalid("an acknowledgement's last byte came before its first");
    return success();
}

/// Its last bound, and whether the blocks fit together, only the model can tell.
Status check_block(const RowBlock& block, size_t devices) {
    if (block.bounds.size() != devices + 1) return invalid("a block has not one bound more than the plan has devices");
    if (block.bounds.front() != 0) return invalid("the bounds of a block do not begin with row 0");
    if (!std::is_sorted(block.bounds.begin(), block.bounds.end())) return invalid("the bounds of a block descend");
    return success();
}

struct Checker {
    std::span<const HostTensor> tensors;

    Status operator()(const msg::Ping&) const { return success(); }
    Status operator()(const msg::Pong&) const { return success(); }
    Status operator()(const msg::FindSuccessor&) const { return success(); }
    Status operator()(const msg::Notify&) const { return success(); }
    Status operator()(const msg::Leave&) const { return success(); }
    Status operator()(const msg::ResultAck&) const { return success(); }
    Status operator()(const msg::PlanAnswer&) const { return success(); }
    Status operator()(const msg::PlanRetire&) const { return success(); }
    Status operator()(const msg::RowsCancel&) const { return success(); }

    Status operator()(const msg::Found& found) const {
        if (auto status = check_members(found.before, found_members_max); !status) return status;
        return check_members(found.after, found_members_max);
    }
    Status operator()(const msg::Introduce& introduce) const { return check_member(introduce.member); }

    Status operator()(const msg::GetNeighbours& get) const {
        if (get.request == 0) return invalid("a request for neighbours has no number");
        return success();
    }

    Status operator()(const msg::Neighbours& neighbours) const {
        if (neighbours.unchanged && (neighbours.predecessor || !neighbours.successors.empty()))
            return invalid("neighbours that have not changed are listed");
        if (neighbours.predecessor)
            if (auto status = check_member(*neighbours.predecessor); !status) return status;
        return check_members(neighbours.successors, members_max);
    }

    Status operator()(const msg::NodeState& state) const {
        if (!std::isfinite(state.gamma_s_per_parameter) || state.gamma_s_per_parameter < 0)
            return invalid("gamma is not a finite number of seconds per parameter");
        if (!std::isfinite(state.pressure) || state.pressure < 0)
            return invalid("a pressure is not finite, or negative");
        if (auto status = check_list("backlogs", state.backlog.size(), backlogs_max); !status) return status;
        if (auto status = check_links(state.links); !status) return status;
        return check_remaining(state.remaining);
    }

    Status operator()(const msg::Work& work) const {
        if (auto status = check_list("tensors", tensors.size(), frontier_tensors_max); !status) return status;
        if (work.priority > priority_max)
            return invalid("a priority of " + std::to_string(work.priority) + " (at most " +
                           std::to_string(priority_max) + ")");
        if (auto status = check_tensors(); !status) return status;
        if (auto status = check_deadline(work.deadline_left); !status) return status;
        return check_durations(work.so_far);
    }

    Status operator()(const msg::Rows& rows) const {
        if (auto status = check_list("tensors", tensors.size(), msg::rows_tensors_max); !status) return status;
        if (auto status = check_tensors(); !status) return status;
        if (auto status = check_deadline(rows.deadline_left); !status) return status;
        return check_durations(rows.so_far);
    }

    /// What it says of a model, only who has that model can judge.
    Status operator()(const msg::PlanPrepare& prepare) const {
        const RowPlan& plan = prepare.plan;
        if (plan.devices.empty()) return invalid("a plan has no devices");
        if (auto status = check_list("devices", plan.devices.size(), plan_devices_max); !status) return status;
        if (std::set(plan.devices.begin(), plan.devices.end()).size() != plan.devices.size())
            return invalid("a plan names a device twice");
        if (plan.window == 0 || plan.window > plan_window_max)
            return invalid("a window of " + std::to_string(plan.window) + " frames (1 to " +
                           std::to_string(plan_window_max) + ")");
        if (auto status = check_list("blocks", plan.blocks.size(), plan_blocks_max); !status) return status;
        for (const RowBlock& block : plan.blocks)
            if (auto status = check_block(block, plan.devices.size()); !status) return status;
        return success();
    }
    Status operator()(const msg::RowsAck& ack) const { return check_receipt(ack.first_byte, ack.last_byte); }

    [[nodiscard]] Status check_tensors() const {
        uint64_t bytes = 0;
        for (const auto& tensor : tensors) {
            if (auto status = check_tensor(tensor); !status) return status;
            bytes += tensor.bytes.size();
        }
        if (bytes > work_bytes_max - work_overhead_bytes_max) return invalid("the tensors are too large together");
        return success();
    }

    [[nodiscard]] static Status check_deadline(Usec left) {
        const bool bounded = left >= -duration_max && left <= duration_max;
        if (left != Usec::max() && !bounded) return invalid("a deadline is more than a year away");
        return success();
    }

    Status operator()(const msg::Ack& ack) const {
        if (auto status = check_receipt(ack.first_byte, ack.last_byte); !status) return status;
        if (auto status = check_list("credits", ack.credits.size(), sources_max); !status) return status;
        return check_list("releases", ack.released.size(), msg::released_max);
    }

    Status operator()(const msg::Result& result) const {
        if (auto status = check_list("classes", result.inference.classes.size(), classes_max); !status) return status;
        if (auto status = check_list("detections", result.inference.detections.size(), detections_max); !status)
            return status;
        for (const auto& c : result.inference.classes)
            if (!std::isfinite(c.score)) return invalid("a score is not a finite number");
        for (const auto& d : result.inference.detections)
            for (const float number : {d.score, d.x0, d.y0, d.x1, d.y1})
                if (!std::isfinite(number)) return invalid("a detection has a number that is not finite");
        return check_durations(result.so_far);
    }
};

}  // namespace

Status check(const Message& message, std::span<const HostTensor> tensors) {
    if (!tensors.empty() && !carries_tensors(message)) return invalid("only Work and Rows carry tensors");
    return std::visit(Checker{tensors}, message);
}

bool is_clean(std::string_view text, size_t bytes_max) {
    if (text.size() > bytes_max) return false;
    while (!text.empty()) {
        const size_t size = printable_at(text);
        if (size == 0) return false;
        text.remove_prefix(size);
    }
    return true;
}

std::string cleaned(std::string_view text, size_t bytes_max) {
    std::string clean;
    while (!text.empty()) {
        const size_t size = printable_at(text);
        const std::string_view next = size == 0 ? "?" : text.substr(0, size);
        if (clean.size() + next.size() > bytes_max) break;
        clean += next;
        text.remove_prefix(size == 0 ? 1 : size);
    }
    return clean;
}

}  // namespace eddy::transport

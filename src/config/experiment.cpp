#include "src/config/experiment.hpp"

#include <algorithm>
#include <map>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "src/config/experiment_draft.hpp"
#include "src/config/file.hpp"

namespace eddy::config {
namespace {

/// The middle of the i-th of n equal parts of the circle: not its start, since an id of zeros looks like a mistake.
NodeId evenly_spaced(size_t i, size_t n) {
    NodeId id;
    size_t rest = 2 * i + 1;
    for (uint8_t& byte : id.bytes) {
        rest *= 256;
        byte = static_cast<uint8_t>(rest / (2 * n));
        rest %= 2 * n;
    }
    return id;
}

/// What needs more than one key, or the disk. Each check runs even if others failed.
class Finisher {
public:
    Finisher(ExperimentDraft& draft, const Written& written, const std::filesystem::path& file, Problems& problems)
        : draft_(draft), made_(draft.experiment), written_(written), file_(file), problems_(problems) {}

    void run() {
        made_.name = file_.stem().string();
        check_model();
        make_devices();
        make_links();
        make_sources();
        make_changes();
    }

private:
    void check_model() {
        const bool profile = written_.has("experiment", "profile");
        const bool model = written_.has("experiment", "model");
        if (profile && model)
            problems_.add(written_.at("experiment", "model"), "both profile and model", "one of the two");
        if (!profile && !model)
            problems_.add(written_.at("experiment", "profile"), "nothing",
                          "a recorded profile; or else model, a TorchScript file");
        place_file("profile", made_.profile);
        place_file("model", made_.model);
    }

    void place_file(const char* key, std::string& path) {
        if (path.empty()) return;
        path = absolute_from(file_, path);
        check_file(written_.at("experiment", key), path, problems_);
    }

    /// "s" itself, or s1, s2 … where there is a count.
    static std::string numbered(const std::string& name, const std::optional<uint64_t>& count, size_t i) {
        return count ? fmt::format("{}{}", name, i + 1) : name;
    }

    /// Says so and gives false if the name is another's or, with its number, too long.
    bool check_name(const char* table, size_t index, const std::string& name, std::set<std::string>& taken) {
        if (name.size() > name_bytes_max) {
            problems_.add(written_.at(table, "name", index), fmt::format("\"{}\"", name),
                          fmt::format("with its number, at most {} characters", name_bytes_max));
            return false;
        }
        if (taken.insert(name).second) return true;
        problems_.add(written_.at(table, "name", index), fmt::format("\"{}\" a second time", name),
                      fmt::format("a name that no other {} has", table));
        return false;
    }

    void make_devices() {
        std::set<std::string> names;
        for (size_t t = 0; t < draft_.devices.size() && made_.devices.size() <= experiment_devices_max; ++t)
            some_refused_ |= !add_devices(t, names);
        if (!written_.has("device")) problems_.add(written_.at("device", ""), "none", "at least one device");
        give_ids();
        const auto has_model = [](const ExperimentDevice& device) { return device.has_model; };
        if (!made_.devices.empty() && std::none_of(made_.devices.begin(), made_.devices.end(), has_model))
            problems_.add(written_.at("device", "has_model"), "false for every device",
                          "at least one device with the model");
    }

    /// The devices of one table; false if not all of them could be made, which has been said.
    bool add_devices(size_t t, std::set<std::string>& names) {
        const DeviceDraft& draft = draft_.devices[t];
        if (draft.name.empty() || (written_.has("device", "count", t) && !draft.count)) return false;
        if (draft.count.value_or(1) > 1 && draft.given_id)
            problems_.add(written_.at("device", "id", t), fmt::format("one id for {} devices", *draft.count),
                          "an id for a single device");
        for (size_t i = 0; i < draft.count.value_or(1); ++i) {
            ExperimentDevice device = draft;
            device.name = numbered(draft.name, draft.count, i);
            if (!check_name("device", t, device.name, names)) return false;
            made_.devices.push_back(std::move(device));
            tables_.push_back(t);
            if (made_.devices.size() > experiment_devices_max) {
                problems_.add(written_.at("device", "count", t), "too many devices",
                              fmt::format("at most {} altogether", experiment_devices_max));
                return false;
            }
        }
        return true;
    }

    void give_ids() {
        std::map<NodeId, size_t> owners;
        for (size_t d = 0; d < made_.devices.size(); ++d) {
            const auto& given = draft_.devices[tables_[d]].given_id;
            made_.devices[d].id = given ? *given : evenly_spaced(d, made_.devices.size());
            const auto [owner, free] = owners.emplace(made_.devices[d].id, d);
            if (free || draft_.devices[tables_[d]].count.value_or(1) > 1)
                continue;  // several with one id: told already
            // To blame is who wrote it: an id that was not given clashes only with one that was.
            const size_t blamed = given ? d : owner->second;
            problems_.add(written_.at("device", "id", tables_[blamed]),
                          fmt::format("the id of \"{}\" a second time", made_.devices[given ? owner->second : d].name),
                          "an id that no other device has");
        }
    }

    /// The index of a device, or nothing, said at that place. Quiet about names that were refused already, or that a
    /// refused device may bear.
    std::optional<size_t> device_named(const std::string& name, const Place& place) {
        if (name.empty()) return std::nullopt;
        std::vector<std::string_view> names;
        for (size_t d = 0; d < made_.devices.size(); ++d) {
            if (made_.devices[d].name == name) return d;
            names.push_back(made_.devices[d].name);
        }
        if (names.empty() || some_refused_) return std::nullopt;
        const auto near = nearest(name, names);
        constexpr size_t shown_max = 8;
        const bool more = names.size() > shown_max;
        if (more) names.resize(shown_max);
        problems_.add(place, fmt::format("\"{}\", which is no device", name),
                      fmt::format("{}{}{}", fmt::join(names, ", "), more ? " …" : "",
                                  near.empty() ? "" : fmt::format(" (did you mean {}?)", near)));
        return std::nullopt;
    }

    void make_links() {
        for (size_t t = 0; t < draft_.links_between.size(); ++t) {
            const LinkBetweenDraft& draft = draft_.links_between[t];
            const auto from = device_named(draft.from, written_.at("link_between", "from", t));
            const auto to = device_named(draft.to, written_.at("link_between", "to", t));
            if (!written_.has("link_between", "mbit_per_s", t) && !written_.has("link_between", "delay_ms", t))
                problems_.add(written_.at("link_between", "", t), "neither mbit_per_s nor delay_ms",
                              "at least one of them");
            if (!from || !to) continue;
            if (*from == *to)
                problems_.add(written_.at("link_between", "to", t), fmt::format("\"{}\" at both ends", draft.to),
                              "two devices");
            const ExperimentLink link{draft.mbit_per_s.value_or(made_.link.mbit_per_s),
                                      draft.delay_ms.value_or(made_.link.delay_ms)};
            made_.links_between.push_back({*from, *to, link});
            if (!draft.one_way) made_.links_between.push_back({*to, *from, link});
        }
    }

    void make_sources() {
        std::set<std::string> names;
        for (size_t t = 0; t < draft_.sources.size(); ++t) {
            SourceDraft& draft = draft_.sources[t];
            draft.weight = draft.given_weight.value_or(draft.rate_per_s);
            const auto first = device_named(draft.device_name, written_.at("source", "device", t));
            if (draft.name.empty()) continue;  // refused already
            for (size_t i = 0; i < draft.count.value_or(1); ++i) {
                if (made_.sources.size() == experiment_sources_max) {
                    problems_.add(written_.at("source", "count", t), "too many sources",
                                  fmt::format("at most {} altogether", experiment_sources_max));
                    return;
                }
                ExperimentSource source = draft;
                source.name = numbered(draft.name, draft.count, i);
                source.device = first.value_or(0) + i * draft.every;
                if (!check_name("source", t, source.name, names)) break;
                if (first && !some_refused_ && source.device >= made_.devices.size()) {
                    problems_.add(written_.at("source", "count", t),
                                  fmt::format("\"{}\" beyond the last device", source.name),
                                  fmt::format("as many as there are devices for, {} from {} on",
                                              made_.devices.size() - *first, draft.device_name));
                    break;
                }
                made_.sources.push_back(std::move(source));
            }
        }
        if (!written_.has("source")) problems_.add(written_.at("source", ""), "none", "at least one source");
    }

    void make_changes() {
        for (size_t t = 0; t < draft_.changes.size(); ++t) {
            ExperimentChange change = draft_.changes[t];
            const auto device = device_named(draft_.changes[t].device_name, written_.at("change", "device", t));
            if (!device) continue;
            change.device = *device;
            made_.changes.push_back(change);
        }
        std::stable_sort(made_.changes.begin(), made_.changes.end(),
                         [](const auto& a, const auto& b) { return a.at_s < b.at_s; });
    }

    ExperimentDraft& draft_;
    Experiment& made_;
    const Written& written_;
    const std::filesystem::path& file_;
    Problems& problems_;
    bool some_refused_ = false;   ///< some devices: so an unknown name may be one of theirs
    std::vector<size_t> tables_;  ///< in which [[device]] each device was written
};

std::any next_table(ExperimentDraft& draft, std::string_view table) {
    if (table == "link") return &draft.experiment.link;
    if (table == "device") return &draft.devices.emplace_back();
    if (table == "link_between") return &draft.links_between.emplace_back();
    if (table == "source") return &draft.sources.emplace_back();
    if (table == "change") return &draft.changes.emplace_back();
    return &draft.experiment;
}

}  // namespace

Result<Experiment> parse_experiment(std::string_view text, const std::filesystem::path& file) {
    ExperimentDraft draft;
    Problems problems(file.string());
    const auto into = [&draft](std::string_view table) { return next_table(draft, table); };
    const auto read = with_toml(text, file.string(), [&](const toml::table& root) {
        const Written written = read_tables(root, experiment_form(), into, problems);
        Finisher(draft, written, file, problems).run();
    });
    if (!read) return read.error();
    if (!problems.empty()) return invalid(problems.text());
    return std::move(draft.experiment);
}

Result<Experiment> load_experiment(const std::filesystem::path& file) {
    const auto text = read_file(file);
    if (!text) return text.error();
    return parse_experiment(*text, file);
}

}  // namespace eddy::config

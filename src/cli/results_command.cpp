// eddy results: what became of the frames — checked against the whole model, and drawn on pictures.
#include <filesystem>
#include <iostream>
#include <map>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "models/engine/torch_engine.hpp"
#include "models/postprocess/agreement.hpp"
#include "models/postprocess/postprocess.hpp"
#include "src/camera/frame_reader.hpp"
#include "src/camera/picture.hpp"
#include "src/cli/commands.hpp"
#include "src/metrics/results.hpp"

namespace eddy::cli {

namespace {

struct Options {
    std::string results;
    std::string input;
    std::string source;
    std::string model;
    std::string out;
    uint64_t sample = 50;
    double iou_min = 0.9;
    double agree_min = 0.99;
    bool json = false;
};

using Lines = std::map<uint64_t, metrics::ResultLine>;  ///< by which frame of the input it is

/// Completed frames of the source, at most `count` of them, evenly spread over the run.
Result<Lines> sampled(const Options& options, bool with_boxes) {
    auto lines = metrics::read_results(options.results);
    if (!lines) return lines.error();
    std::vector<metrics::ResultLine> fit;
    for (auto& line : *lines) {
        if (line.state != FrameState::completed || (!options.source.empty() && line.source != options.source)) continue;
        if (with_boxes && line.detections.empty() && line.classes.empty()) continue;
        fit.push_back(std::move(line));
    }
    if (fit.empty())
        return invalid(options.results + " has no completed frame" +
                       (options.source.empty() ? "" : " of source " + options.source));
    std::sort(fit.begin(), fit.end(), [](const auto& a, const auto& b) { return a.k < b.k; });
    Lines chosen;
    const size_t count = std::min<size_t>(fit.size(), options.sample);
    for (size_t i = 0; i < count; ++i) {
        auto& line = fit[i * fit.size() / count];
        const uint64_t position = line.position.value_or(line.k);
        chosen.emplace(position, std::move(line));
    }
    return chosen;
}

/// Calls `use(line, frame)` for each chosen frame, decoded again just as the node did.
template <class Use>
Status replay(const Options& options, const Lines& lines, camera::ReaderOptions reading, Use use) {
    reading.loop = true;
    auto reader = camera::FrameReader::open(options.input, reading);
    if (!reader) return reader.error();
    uint64_t next = 0;
    for (const auto& [k, line] : lines) {
        const auto more = reader->skip(k - next);
        if (!more) return more.error();
        auto frame =
            *more ? reader->next() : Result<std::optional<camera::ReadFrame>>(std::optional<camera::ReadFrame>{});
        if (!frame) return frame.error();
        if (!frame->has_value()) return invalid(options.input + " has no frame " + std::to_string(k));
        next = k + 1;
        if (auto status = use(line, **frame); !status) return status;
    }
    return success();
}

/// Do ring and whole model say the same of this frame? Boxes by overlap; classes by the best one.
bool agree(const metrics::ResultLine& line, const Inference& whole, float iou_min) {
    std::vector<Detection> found;
    for (const auto& d : line.detections)
        found.push_back({d.label, static_cast<float>(d.score), static_cast<float>(d.x0), static_cast<float>(d.y0),
                         static_cast<float>(d.x1), static_cast<float>(d.y1)});
    if (!postprocess::agreement(whole.detections, found, iou_min).complete()) return false;
    if (line.classes.empty() || whole.classes.empty()) return line.classes.empty() == whole.classes.empty();
    return line.classes.front().label == whole.classes.front().label;
}

int check(const Options& options) {
    const auto lines = sampled(options, false);
    if (!lines) return complain(lines.error().message);
    const auto model = engine::load_model(options.model);
    if (!model) return complain(model.error().message);
    const auto executor = (*model)->units(uint64_t{4} << 30)->executor(1);
    const auto layers = static_cast<uint32_t>((*model)->chain().layers().size());
    if (auto status = executor->prepare(0, layers); !status) return complain(status.error().message);

    uint64_t agreed = 0;
    uint64_t boxes = 0;
    uint64_t distributed = 0;
    std::vector<uint64_t> differing;
    camera::ReaderOptions reading;
    reading.width = (*model)->card().width;
    reading.height = (*model)->card().height;
    const auto status = replay(options, *lines, reading,
                               [&](const metrics::ResultLine& line, const camera::ReadFrame& frame) -> Status {
                                   const auto outputs = executor->run(0, layers, std::span(&frame.image, 1));
                                   if (!outputs) return outputs.error();
                                   const auto whole = postprocess::interpret((*model)->card(), *outputs);
                                   if (!whole) return whole.error();
                                   boxes += whole->detections.size();
                                   distributed += line.local ? 0 : 1;
                                   if (agree(line, *whole, static_cast<float>(options.iou_min)))
                                       ++agreed;
                                   else
                                       differing.push_back(line.k);
                                   return success();
                               });
    if (!status) return complain(status.error().message);
    const double fraction = static_cast<double>(agreed) / static_cast<double>(lines->size());
    const bool good = fraction >= options.agree_min;
    if (options.json) {
        std::cout << nlohmann::json{{"frames", lines->size()}, {"distributed", distributed},
                                    {"boxes", boxes},          {"agreed", agreed},
                                    {"fraction", fraction},    {"iou_min", options.iou_min},
                                    {"differing", differing}}
                         .dump(2)
                  << "\n";
    } else {
        std::cout << fmt::format(
            "{} of {} sampled frames ({} of them distributed, {} boxes) agree with the whole model at IoU >= {}: {}\n",
            agreed, lines->size(), distributed, boxes, options.iou_min, good ? "as it should be" : "too few");
        for (const auto k : differing) std::cout << "  frame " << k << " differs\n";
    }
    return good ? exit_done : exit_failed;
}

int annotate(const Options& options) {
    const auto lines = sampled(options, true);
    if (!lines) return complain(lines.error().message);
    std::error_code failed;
    std::filesystem::create_directories(options.out, failed);
    if (failed) return complain("cannot make the folder " + options.out + ": " + failed.message());
    camera::ReaderOptions reading;
    reading.width = reading.height = 64;  // only the full-size picture is wanted
    reading.full_size = true;
    const auto status = replay(
        options, *lines, reading, [&](const metrics::ResultLine& line, const camera::ReadFrame& frame) -> Status {
            camera::Annotation annotation;
            for (const auto& d : line.detections)
                annotation.boxes.push_back({static_cast<float>(d.x0), static_cast<float>(d.y0),
                                            static_cast<float>(d.x1), static_cast<float>(d.y1), d.name,
                                            static_cast<float>(d.score), d.label});
            for (const auto& c : line.classes) annotation.lines.push_back(fmt::format("{} {:.2f}", c.name, c.score));
            const auto picture = camera::annotate(*frame.picture, annotation);
            if (!picture) return picture.error();
            const auto path =
                (std::filesystem::path(options.out) / fmt::format("{}-{:06}.jpg", line.source, line.k)).string();
            if (auto written = camera::write_picture(*picture, path); !written) return written;
            std::cout << path << "\n";
            return success();
        });
    return status ? exit_done : complain(status.error().message);
}

}  // namespace

void add_results_commands(CLI::App& program, Chosen& chosen) {
    auto* results = program.add_subcommand("results", "Look at what `eddy-node --results` wrote");
    results->require_subcommand(1);
    const auto add = [&](const char* name, const char* what, const char* example, int (*run)(const Options&)) {
        auto* command = results->add_subcommand(name, what);
        auto options = std::make_shared<Options>();
        command->add_option("RESULTS", options->results, "JSON lines written by eddy-node --results")->required();
        command->add_option("--input", options->input, "The source's input: file, folder or lavfi:…")->required();
        command->add_option("--source", options->source, "Only this source's frames");
        command->add_option("--sample", options->sample, "At most so many frames, spread over the run")
            ->check(CLI::Range(1, 1000000));
        command->footer(std::string("Example:\n  ") + example);
        command->callback([options, run, &chosen] { chosen = [options, run] { return run(*options); }; });
        return std::make_pair(command, options);
    };
    auto [check_command, check_options] = add(
        "check", "Run the whole model again in one piece on sampled frames and compare",
        "eddy results check results.jsonl --input street.avi --model build/models/ssdlite_mobilenet_v2_coco.pt", check);
    check_command->add_option("--model", check_options->model, "TorchScript file")->required();
    check_command->add_option("--iou", check_options->iou_min, "Overlap that counts as the same box")
        ->check(CLI::Range(0.0, 1.0));
    check_command->add_option("--agree", check_options->agree_min, "Share of frames that must agree")
        ->check(CLI::Range(0.0, 1.0));
    check_command->add_flag("--json", check_options->json, "JSON on standard output");
    auto [annotate_command, annotate_options] =
        add("annotate", "Draw the results on pictures",
            "eddy results annotate results.jsonl --input street.avi --out pictures --sample 4", annotate);
    annotate_command->add_option("--out", annotate_options->out, "Folder for the pictures")->required();
}

}  // namespace eddy::cli

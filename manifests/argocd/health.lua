-- Health of a SuggestionModel for Argo CD: kstatus (observedGeneration, Reconciling, Stalled, Ready), and Suspended
-- where users hold the rollout. With the annotation serin.dev/healthy-during-rollout: "true" it is Healthy
-- during a rollout in good order, and Degraded where the rollout waits for somebody: never Progressing for days, so that
-- a sync wave cannot hold up a revert. docs/gitops.md has a table.
-- The message is a sentence on the state and on what ends it in Argo CD or Git, then the operator's own message.
local health = { status = "Progressing", message = "Waiting for the operator's first check" }
local status = obj.status
if status == nil or status.conditions == nil then
  return health
end
local spec, observed, wanted = obj.spec or {}, status.observedGeneration, obj.metadata.generation
if observed ~= nil and wanted ~= nil and observed ~= wanted then
  health.message = "Waiting for the operator to see the change of the spec"
  return health
end
local conditions = {}
for _, condition in ipairs(status.conditions) do
  conditions[condition.type] = condition
end
local function is_true(kind)
  return conditions[kind] ~= nil and conditions[kind].status == "True"
end

local candidate = status.candidate
local run = (candidate or status.stable or {}).runID or spec.runID or "the run"
local place = "before shadow"
if candidate ~= nil and candidate.bake ~= nil then
  place = "in the bake"
elseif candidate ~= nil and candidate.state == "Running" then
  place = "in shadow"
  if (candidate.percent or 0) > 0 then
    place = "at " .. candidate.percent .. " %"
  end
end
local another = "name another run in Git, or "
local sentences = {
  Pending = "No rollout has started yet",
  Draining = "Pods have to stop serving the former candidate before they load " .. run,
  Loading = "Pods are loading " .. run,
  RunNotFound = run .. " is not in the registry yet: copy it there, or correct spec.runID in Git",
  RegistryUnavailable = "Pods cannot read the registry: repair it, or correct spec.registry in Git",
  PodsBehind = "Some pods serve a former routing",
  RolloutProgressing = run .. " is being rolled out, " .. place,
  Suspended = "The rollout of " .. run .. " is suspended " .. place .. ": set spec.suspend to false in Git to go on",
  Paused = "The rollout of " .. run .. " is paused " .. place .. ": to go on, run the action resume",
  AwaitingApproval = run .. " waits for approval " .. place .. ": run the action promote to approve, abort to refuse",
  OutsideWindow = run .. " waits for a window " .. place .. ": to go ahead now, run the action promote",
  Frozen = run .. " waits for the end of a freeze " .. place,
  Undecided = run .. " has no verdict in time " .. place .. ": run the action promote or abort",
  CheckPending = run .. " waits for a check " .. place,
  CheckEndpointUnknown = run .. " is on hold " .. place .. ": the operator does not know the endpoint of a check",
  NoGate = run .. " is on hold " .. place .. ": no gate judges this stage; change spec.gates in Git",
  MetricsUnavailable = run .. " is on hold " .. place .. ": counts cannot be read, or are missing",
  PodsUnavailable = "Pods cannot start, or cannot load a run",
  PodsUnreachable = "Some pods do not respond to the operator",
  ProgressDeadlineExceeded = "Pods make no progress: repair what they wait for, or run the action abort",
  RulesUnavailable = "The ConfigMap with the rules cannot be read: restore it",
  Promoting = run .. " is promoted, but not every pod has confirmed it",
  Promoted = run .. " is the stable run",
  AtCap = run .. " stays at its cap: to go on, raise spec.canary.percent in Git",
  Baking = run .. " bakes: to end the bake now, run the action promote",
  RolledBack = run .. " was rolled back: " .. another .. "run the action retry",
  Stopped = run .. " is stopped: to serve it again, set spec.canary.percent to 100 in Git",
  RunRefused = run .. " was refused: " .. another .. "repair the run and run the action retry",
  ImageRefused = "The operator's configuration does not allow spec.server.image: change it in Git",
  AnnotationRefused = "The operator's configuration does not allow an annotation of the service account: "
    .. "change it in Git",
  InvalidSpec = "The operator cannot read the spec: correct it in Git",
  InvalidStatus = "The operator cannot read the status, which another version wrote or somebody edited",
  AccessRefused = "The operator lacks a right in this cluster",
  ChildConflict = "An object of somebody else has a name that the operator needs: delete it",
  ChildRefused = "The API server refuses an object of the operator",
}
local ready = conditions["Ready"]
if ready ~= nil then
  local sentence = sentences[ready.reason]
  health.message = ready.message
  if sentence ~= nil then
    health.message = sentence .. ". " .. ready.message
  end
end

if is_true("Drifted") then
  health.message = health.message .. ". " .. conditions["Drifted"].message
end

local in_good_order = { Pending = true, Draining = true, Loading = true, RunNotFound = true,
  RolloutProgressing = true, CheckPending = true, Promoting = true,
  Suspended = true, Paused = true, AwaitingApproval = true, OutsideWindow = true, Frozen = true }
local held = { Suspended = true, Paused = true, AwaitingApproval = true, OutsideWindow = true, Frozen = true }
local annotations = obj.metadata.annotations or {}
if is_true("Stalled") then
  health.status = "Degraded"
elseif annotations["serin.dev/healthy-during-rollout"] == "true" and ready ~= nil and is_true("Reconciling") then
  if not in_good_order[ready.reason] then
    health.status = "Degraded"
  elseif is_true("Available") then
    health.status = "Healthy"
  end
elseif ready ~= nil and held[ready.reason] then
  health.status = "Suspended"
elseif is_true("Reconciling") then
  health.status = "Progressing"
elseif ready ~= nil and ready.status == "True" then
  health.status = "Healthy"
end
return health

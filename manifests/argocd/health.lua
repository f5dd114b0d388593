-- Health of a SuggestionModel for Argo CD: kstatus (observedGeneration, Reconciling, Stalled, Ready), and Suspended
-- where users hold the rollout. With the annotation serin.dev/healthy-during-rollout: "true" it is Healthy
-- during a rollout in good order, and Degraded where the rollout waits for somebody: never Progressing for days, so that
-- a sync wave cannot hold up a revert. docs/gitops.md has a table.
local health = { status = "Progressing", message = "Waiting for the operator" }
local status = obj.status
if status == nil or status.conditions == nil then
  return health
end
if status.observedGeneration ~= nil and obj.metadata.generation ~= nil
    and status.observedGeneration ~= obj.metadata.generation then
  health.message = "Waiting for the operator to see the change"
  return health
end
local conditions = {}
for _, condition in ipairs(status.conditions) do
  conditions[condition.type] = condition
end
local function is_true(kind)
  return conditions[kind] ~= nil and conditions[kind].status == "True"
end
local ready = conditions["Ready"]
if ready ~= nil then
  health.message = ready.message
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

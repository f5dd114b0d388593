-- Health of a SuggestionModel for Argo CD: kstatus (observedGeneration, Reconciling, Stalled, Ready), and Suspended
-- where spec.suspend has paused the rollout.
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
if is_true("Stalled") then
  health.status = "Degraded"
elseif ready ~= nil and ready.reason == "Suspended" then
  health.status = "Suspended"
elseif is_true("Reconciling") then
  health.status = "Progressing"
elseif ready ~= nil and ready.status == "True" then
  health.status = "Healthy"
end
return health

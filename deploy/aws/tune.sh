#!/bin/sh
# Sets what Express Mode has no property for. Run it once, after service.yaml. Express Mode
# overwrites only what one of its own updates asks for.
set -eu

# Above the 15 min that API Gateway waits, and below the gateway's server.keep_alive_seconds in task.yaml.
IDLE_SECONDS=910

balancer=$(aws cloudformation describe-stacks --stack-name tidegate-service --output text \
    --query "Stacks[0].Outputs[?OutputKey=='LoadBalancer'].OutputValue")
aws elbv2 modify-load-balancer-attributes --load-balancer-arn "$balancer" --output text \
    --attributes "Key=idle_timeout.timeout_seconds,Value=$IDLE_SECONDS"

# The rest of the deployment's configuration stays as it is.
configuration=$(aws ecs describe-services --cluster tidegate --services tidegate --output json --query \
    'services[0].deploymentConfiguration.merge(@, {alarms: {alarmNames: [`tidegate-rollback`], enable: `true`, rollback: `true`}})')
aws ecs update-service --cluster tidegate --service tidegate --deployment-configuration "$configuration" \
    --output text --query service.deploymentConfiguration.alarms.alarmNames

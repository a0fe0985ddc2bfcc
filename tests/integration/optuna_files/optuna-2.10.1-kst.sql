BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('v2.6.0.a');
CREATE TABLE studies (
	study_id INTEGER NOT NULL, 
	study_name VARCHAR(512) NOT NULL, 
	PRIMARY KEY (study_id)
);
INSERT INTO "studies" VALUES(1,'옛 스터디');
CREATE TABLE study_directions (
	study_direction_id INTEGER NOT NULL, 
	direction VARCHAR(8) NOT NULL, 
	study_id INTEGER NOT NULL, 
	objective INTEGER NOT NULL, 
	PRIMARY KEY (study_direction_id), 
	UNIQUE (study_id, objective), 
	FOREIGN KEY(study_id) REFERENCES studies (study_id)
);
INSERT INTO "study_directions" VALUES(1,'MINIMIZE',1,0);
CREATE TABLE study_system_attributes (
	study_system_attribute_id INTEGER NOT NULL, 
	study_id INTEGER, 
	"key" VARCHAR(512), 
	value_json TEXT, 
	PRIMARY KEY (study_system_attribute_id), 
	UNIQUE (study_id, "key"), 
	FOREIGN KEY(study_id) REFERENCES studies (study_id)
);
CREATE TABLE study_user_attributes (
	study_user_attribute_id INTEGER NOT NULL, 
	study_id INTEGER, 
	"key" VARCHAR(512), 
	value_json TEXT, 
	PRIMARY KEY (study_user_attribute_id), 
	UNIQUE (study_id, "key"), 
	FOREIGN KEY(study_id) REFERENCES studies (study_id)
);
INSERT INTO "study_user_attributes" VALUES(1,1,'메모','"\ud55c\uae00"');
CREATE TABLE trial_heartbeats (
	trial_heartbeat_id INTEGER NOT NULL, 
	trial_id INTEGER NOT NULL, 
	heartbeat DATETIME NOT NULL, 
	PRIMARY KEY (trial_heartbeat_id), 
	UNIQUE (trial_id), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
CREATE TABLE trial_intermediate_values (
	trial_intermediate_value_id INTEGER NOT NULL, 
	trial_id INTEGER NOT NULL, 
	step INTEGER NOT NULL, 
	intermediate_value FLOAT NOT NULL, 
	PRIMARY KEY (trial_intermediate_value_id), 
	UNIQUE (trial_id, step), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
INSERT INTO "trial_intermediate_values" VALUES(1,1,0,1.65742324821529418699e+00);
INSERT INTO "trial_intermediate_values" VALUES(2,1,1,2.65742324821529418699e+00);
INSERT INTO "trial_intermediate_values" VALUES(3,1,2,3.65742324821529418699e+00);
INSERT INTO "trial_intermediate_values" VALUES(4,2,0,1.5278202402254201786e+00);
INSERT INTO "trial_intermediate_values" VALUES(5,2,1,2.52782024022542);
INSERT INTO "trial_intermediate_values" VALUES(6,2,2,3.52782024022542);
INSERT INTO "trial_intermediate_values" VALUES(7,3,0,4.91171173773433444864e-01);
INSERT INTO "trial_intermediate_values" VALUES(8,3,1,1.49117117377343344486e+00);
INSERT INTO "trial_intermediate_values" VALUES(9,3,2,2.49117117377343344486e+00);
INSERT INTO "trial_intermediate_values" VALUES(10,4,0,4.36244301818001822823e+00);
INSERT INTO "trial_intermediate_values" VALUES(11,4,1,5.36244301818001822823e+00);
INSERT INTO "trial_intermediate_values" VALUES(12,4,2,6.36244301818001822823e+00);
INSERT INTO "trial_intermediate_values" VALUES(13,5,0,3.59974163372591071663e+00);
INSERT INTO "trial_intermediate_values" VALUES(14,5,1,4.59974163372591071663e+00);
INSERT INTO "trial_intermediate_values" VALUES(15,5,2,5.59974163372591071663e+00);
INSERT INTO "trial_intermediate_values" VALUES(16,6,0,4.72696248939685759182e+00);
INSERT INTO "trial_intermediate_values" VALUES(17,6,1,5.72696248939685759182e+00);
INSERT INTO "trial_intermediate_values" VALUES(18,6,2,6.72696248939685759182e+00);
CREATE TABLE trial_params (
	param_id INTEGER NOT NULL, 
	trial_id INTEGER, 
	param_name VARCHAR(512), 
	param_value FLOAT, 
	distribution_json TEXT, 
	PRIMARY KEY (param_id), 
	UNIQUE (trial_id, param_name), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
INSERT INTO "trial_params" VALUES(1,1,'x',1.65742324821529418699e+00,'{"name": "UniformDistribution", "attributes": {"low": -5.0, "high": 5.0}}');
INSERT INTO "trial_params" VALUES(2,1,'k',3.0,'{"name": "IntUniformDistribution", "attributes": {"low": 1, "high": 9, "step": 1}}');
INSERT INTO "trial_params" VALUES(3,1,'c',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["a", "\ub098"]}}');
INSERT INTO "trial_params" VALUES(4,2,'x',1.5278202402254201786e+00,'{"name": "UniformDistribution", "attributes": {"low": -5.0, "high": 5.0}}');
INSERT INTO "trial_params" VALUES(5,2,'k',3.0,'{"name": "IntUniformDistribution", "attributes": {"low": 1, "high": 9, "step": 1}}');
INSERT INTO "trial_params" VALUES(6,2,'c',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["a", "\ub098"]}}');
INSERT INTO "trial_params" VALUES(7,3,'x',4.91171173773433444864e-01,'{"name": "UniformDistribution", "attributes": {"low": -5.0, "high": 5.0}}');
INSERT INTO "trial_params" VALUES(8,3,'k',5.0,'{"name": "IntUniformDistribution", "attributes": {"low": 1, "high": 9, "step": 1}}');
INSERT INTO "trial_params" VALUES(9,3,'c',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["a", "\ub098"]}}');
INSERT INTO "trial_params" VALUES(10,4,'x',4.36244301818001822823e+00,'{"name": "UniformDistribution", "attributes": {"low": -5.0, "high": 5.0}}');
INSERT INTO "trial_params" VALUES(11,4,'k',9.0,'{"name": "IntUniformDistribution", "attributes": {"low": 1, "high": 9, "step": 1}}');
INSERT INTO "trial_params" VALUES(12,4,'c',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["a", "\ub098"]}}');
INSERT INTO "trial_params" VALUES(13,5,'x',3.59974163372591071663e+00,'{"name": "UniformDistribution", "attributes": {"low": -5.0, "high": 5.0}}');
INSERT INTO "trial_params" VALUES(14,5,'k',2.0,'{"name": "IntUniformDistribution", "attributes": {"low": 1, "high": 9, "step": 1}}');
INSERT INTO "trial_params" VALUES(15,5,'c',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["a", "\ub098"]}}');
INSERT INTO "trial_params" VALUES(16,6,'x',4.72696248939685759182e+00,'{"name": "UniformDistribution", "attributes": {"low": -5.0, "high": 5.0}}');
INSERT INTO "trial_params" VALUES(17,6,'k',2.0,'{"name": "IntUniformDistribution", "attributes": {"low": 1, "high": 9, "step": 1}}');
INSERT INTO "trial_params" VALUES(18,6,'c',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["a", "\ub098"]}}');
CREATE TABLE trial_system_attributes (
	trial_system_attribute_id INTEGER NOT NULL, 
	trial_id INTEGER, 
	"key" VARCHAR(512), 
	value_json TEXT, 
	PRIMARY KEY (trial_system_attribute_id), 
	UNIQUE (trial_id, "key"), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
CREATE TABLE trial_user_attributes (
	trial_user_attribute_id INTEGER NOT NULL, 
	trial_id INTEGER, 
	"key" VARCHAR(512), 
	value_json TEXT, 
	PRIMARY KEY (trial_user_attribute_id), 
	UNIQUE (trial_id, "key"), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
INSERT INTO "trial_user_attributes" VALUES(1,1,'m','{"a": 3}');
INSERT INTO "trial_user_attributes" VALUES(2,2,'m','{"a": 3}');
INSERT INTO "trial_user_attributes" VALUES(3,3,'m','{"a": 5}');
INSERT INTO "trial_user_attributes" VALUES(4,4,'m','{"a": 9}');
INSERT INTO "trial_user_attributes" VALUES(5,5,'m','{"a": 2}');
INSERT INTO "trial_user_attributes" VALUES(6,6,'m','{"a": 2}');
CREATE TABLE trial_values (
	trial_value_id INTEGER NOT NULL, 
	trial_id INTEGER NOT NULL, 
	objective INTEGER NOT NULL, 
	value FLOAT NOT NULL, 
	PRIMARY KEY (trial_value_id), 
	UNIQUE (trial_id, objective), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
INSERT INTO "trial_values" VALUES(1,1,0,5.74705182372453649009e+00);
INSERT INTO "trial_values" VALUES(2,2,0,5.33423468644246057124e+00);
INSERT INTO "trial_values" VALUES(3,3,0,2.49117117377343344486e+00);
INSERT INTO "trial_values" VALUES(4,5,0,9.0e999);
INSERT INTO "trial_values" VALUES(5,6,0,2.43441743761649362918e+01);
CREATE TABLE trials (
	trial_id INTEGER NOT NULL, 
	number INTEGER, 
	study_id INTEGER, 
	state VARCHAR(8) NOT NULL, 
	datetime_start DATETIME, 
	datetime_complete DATETIME, 
	PRIMARY KEY (trial_id), 
	FOREIGN KEY(study_id) REFERENCES studies (study_id)
);
INSERT INTO "trials" VALUES(1,0,1,'COMPLETE','2026-11-23 05:23:26.894884','2026-11-23 05:23:27.216121');
INSERT INTO "trials" VALUES(2,1,1,'COMPLETE','2026-11-23 05:23:27.259353','2026-11-23 05:23:27.545560');
INSERT INTO "trials" VALUES(3,2,1,'PRUNED','2026-11-23 05:23:27.580653','2026-11-23 05:23:27.832480');
INSERT INTO "trials" VALUES(4,3,1,'FAIL','2026-11-23 05:23:27.876932','2026-11-23 05:23:28.133776');
INSERT INTO "trials" VALUES(5,4,1,'COMPLETE','2026-11-23 05:23:28.172994','2026-11-23 05:23:28.433864');
INSERT INTO "trials" VALUES(6,5,1,'COMPLETE','2026-11-23 05:23:28.480158','2026-11-23 05:23:28.744649');
INSERT INTO "trials" VALUES(7,6,1,'RUNNING','2026-11-23 05:23:28.779664',NULL);
CREATE TABLE version_info (
	version_info_id INTEGER NOT NULL, 
	schema_version INTEGER, 
	library_version VARCHAR(256), 
	PRIMARY KEY (version_info_id), 
	CHECK (version_info_id=1)
);
INSERT INTO "version_info" VALUES(1,12,'2.10.1');
CREATE UNIQUE INDEX ix_studies_study_name ON studies (study_name);
COMMIT;
